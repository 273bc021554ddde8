/* Who sent it, and to which context: lists, gates. */
#pragma once
#include "../choose.h"
#include "maps.h"

INLINE struct shield_settings *shield_knobs(void)
{
	u32 row = 0;
	return map_lookup(&shield_settings, &row);
}

INLINE struct scratch *scratch(void)
{
	u32 row = 0;
	return map_lookup(&scratches, &row);
}

INLINE struct line *line_at(u64 hash)
{
	u32 number = hash >> (64 - FILTER_BITS);
	return map_lookup(&filter, &number);
}

/* The first half of a line is about single addresses, the second about networks. */
INLINE int host_bit(struct line *line, u64 number)
{
	u32 word = number >> 6 & 3;
	KEEP(word);
	return line->bits[word] >> (number & 63) & 1;
}

INLINE int network_bit(struct line *line, u64 hash)
{
	u32 word = 4 + (hash >> 30 & 3);
	KEEP(word);
	return line->bits[word] >> (hash >> 24 & 63) & 1;
}

/* src/shield/filter.rs does the same. */
INLINE u64 scatter(u64 word)
{
	word *= MIX_A;
	word ^= word >> 32;
	return word * MIX_B;
}

/* May a list have the source? One line about the /24 it is in. */
INLINE int filter4(u32 source)
{
	u64 hash = scatter(swap32(source) >> 8);
	struct line *line = line_at(hash);
	return !line || host_bit(line, source >> 24) || network_bit(line, hash);
}

/* One line about the /32 it is in, one about the /48. */
INLINE int filter6(const u32 *source)
{
	u64 wide = scatter(source[0]);
	u64 site = scatter((u64)(source[1] & 0xffff) << 32 | source[0]);
	u64 network = scatter(half(source, 0));
	u64 host = scatter(network ^ half(source, 1));
	struct line *far = line_at(wide), *near = line_at(site);
	if (!far || !near || network_bit(far, wide) || network_bit(near, site) || network_bit(near, network))
		return 1;
	return host_bit(near, host >> 24);
}

INLINE u32 listed4(struct packet *packet, struct shield_settings *knobs)
{
	struct prefix4 key = {32, packet->source};
	u32 *found = 0;
	if ((knobs->lists & LISTS_4) && unlikely(filter4(packet->source)))
		found = map_lookup(&lists4, &key);
	else if (knobs->lists & LISTS_4_WIDE)
		found = map_lookup(&wides4, &key);
	return found ? *found : LISTED_NOT;
}

INLINE u32 listed6(struct packet *packet, struct shield_settings *knobs)
{
	struct prefix6 key = {.bits = 128};
	if (!(knobs->lists & (LISTS_6 | LISTS_6_WIDE)))
		return LISTED_NOT;
	__builtin_memcpy(key.address, packet->source6, 16);
	u32 *found = 0;
	if ((knobs->lists & LISTS_6) && unlikely(filter6(packet->source6)))
		found = map_lookup(&lists6, &key);
	else if (knobs->lists & LISTS_6_WIDE)
		found = map_lookup(&wides6, &key);
	return found ? *found : LISTED_NOT;
}

INLINE u32 context4(struct packet *packet)
{
	struct prefix4 key = {32, packet->target};
	u32 *row = map_lookup(&targets4, &key);
	return row ? *row : CONTEXT_NONE;
}

INLINE u32 context6(struct packet *packet)
{
	struct prefix6 key = {.bits = 128};
	__builtin_memcpy(key.address, packet->target6, 16);
	u32 *row = map_lookup(&targets6, &key);
	return row ? *row : CONTEXT_NONE;
}

INLINE void mapped(struct packet *packet, u32 *address, int of_target)
{
	if (!packet->six) {
		address[0] = address[1] = 0;
		address[2] = swap32(0xffff);
		address[3] = of_target ? packet->target : packet->source;
		return;
	}
	__builtin_memcpy(address, of_target ? packet->target6 : packet->source6, 16);
}

/* `port` in network order: the destination's, or an ICMP type, or 0. */
INLINE int gate_open(struct packet *packet, u32 port)
{
	struct gate_key key = {packet->context, port, packet->protocol};
	u32 *gate = map_lookup(&gates, &key);
	if (!gate)
		return 0;
	if (*gate != GATE_BY_SOURCE)
		return *gate == GATE_OPEN;
	struct gate_source by = {.bits = 64 + 128, .gate = key};
	mapped(packet, by.address, 0);
	return map_lookup(&gate_sources, &by) != 0;
}
