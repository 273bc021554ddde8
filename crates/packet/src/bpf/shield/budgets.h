/* How much of what: token buckets of one number each, without locks. A lost update lets one packet more through. */
#pragma once
#include "lists.h"

INLINE int admits(u64 *full_at, const struct pace *pace, u64 now)
{
	u64 at = *full_at;
	if (at < now)
		at = now;
	if (at - now > pace->depth)
		return 0;
	*full_at = at + pace->gap;
	return 1;
}

/* The part of an address that one party has: all of IPv4, the network of IPv6. */
INLINE u64 party(struct packet *packet)
{
	return !packet->six ? (u64)0xffffffff << 32 | packet->source : half(packet->source6, 0);
}

/* A source's bucket in the first half of `sources`, and when that is empty the one in the second half: sharing a row
 * with an attacker costs a source half of its budget and no more, short of sharing both. */
INLINE int source_admits(struct packet *packet, u32 field, const struct pace *pace, u64 seed, u64 now)
{
	u64 hash = scatter(party(packet) ^ seed ^ packet->context);
	u32 first = hash >> (64 - SOURCES_BITS);
	u32 second = (u32)(hash >> 8 & ((1 << SOURCES_BITS) - 1)) + (1 << SOURCES_BITS);
	struct source *row = map_lookup(&sources, &first);
	if (!row || admits((u64 *)row + field, pace, now))
		return 1;
	row = map_lookup(&sources, &second);
	return !row || admits((u64 *)row + field, pace, now);
}

#define FIELD_PACKETS 0
#define FIELD_SYN 1
#define FIELD_UDP 2
#define FIELD_ICMP 3

INLINE struct spending *spending(struct packet *packet)
{
	u32 row = packet->context;
	return map_lookup(&spendings, &row);
}

/* A CPU's part of what a context takes. */
INLINE int all_admit(u64 *full_at, const struct pace *pace, u64 now)
{
	return !pace->gap || (pace->gap != PACE_NOTHING && admits(full_at, pace, now));
}

INLINE int is_full(struct packet *packet)
{
	struct source_key key = {.source = party(packet), .context = packet->context};
	return map_lookup(&full, &key) != 0;
}

INLINE int udp_budget(struct packet *packet, struct context *context, u64 seed)
{
	if (!context->source_udp.gap && !context->all_udp.gap)
		return GO_ON;
	u64 now = coarse_nanoseconds();
	if (context->source_udp.gap && !source_admits(packet, FIELD_UDP, &context->source_udp, seed, now))
		return drop(packet, REASON_SOURCE_UDP);
	struct spending *spent = spending(packet);
	if (spent && !all_admit(&spent->udp, &context->all_udp, now))
		return drop(packet, REASON_UDP_RATE);
	return GO_ON;
}

INLINE int icmp_budget(struct packet *packet, struct context *context, u64 seed)
{
	if (!context->source_icmp.gap && !context->all_icmp.gap)
		return GO_ON;
	u64 now = coarse_nanoseconds();
	if (context->source_icmp.gap && !source_admits(packet, FIELD_ICMP, &context->source_icmp, seed, now))
		return drop(packet, REASON_SOURCE_ICMP);
	struct spending *spent = spending(packet);
	if (spent && !all_admit(&spent->icmp, &context->all_icmp, now))
		return drop(packet, REASON_ICMP_RATE);
	return GO_ON;
}

INLINE int packet_budget(struct packet *packet, struct context *context, u64 seed)
{
	if (context->source_packets.gap &&
	    !source_admits(packet, FIELD_PACKETS, &context->source_packets, seed, coarse_nanoseconds()))
		return drop(packet, REASON_SOURCE_PACKETS);
	return GO_ON;
}

INLINE int syn_budget(struct packet *packet, struct context *context, u64 seed)
{
	if (context->full && is_full(packet))
		return drop(packet, REASON_SOURCE_FULL);
	if (context->source_syn.gap &&
	    !source_admits(packet, FIELD_SYN, &context->source_syn, seed, coarse_nanoseconds()))
		return drop(packet, REASON_SOURCE_SYN);
	return GO_ON;
}
