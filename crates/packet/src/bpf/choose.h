/* Packet -> server: ring, and for slots that changed the table of flows. */
#pragma once
#include "packet.h"

/* Two multiplications in a row mix well enough to spread flows; src/hash.rs does the same. */
#define MIX_A 0x9fb21c651e98df25ull
#define MIX_B 0xd6e8feb86659fd93ull

INLINE u32 mix(u64 first, u64 second)
{
	first ^= first >> 32;
	return (first + second) * MIX_B >> 32;
}

INLINE u32 hash4(struct packet *packet, struct vip *vip)
{
	u32 ports = vip->hash_on == HASH_ON_SOURCE ? 0 : packet->ports;
	return mix(((u64)packet->source << 32 | ports) * MIX_A, packet->target);
}

INLINE u32 hash6(struct packet *packet, struct vip *vip)
{
	u32 ports = vip->hash_on == HASH_ON_SOURCE ? 0 : packet->ports;
	u64 network = (u64)packet->source6[0] << 32 | packet->source6[1];
	u64 host = (u64)packet->source6[2] << 32 | packet->source6[3];
	return mix(network * MIX_A ^ host * MIX_B, (u64)packet->target6[3] << 32 | ports);
}

INLINE struct server *live(u32 number)
{
	struct server *server = map_lookup(&servers, &number);
	return server && likely(server->live) ? server : 0;
}

/* Multiply and shift instead of a division: slot = hash / 2^32 * RING_SLOTS. */
INLINE u32 ring_word(struct vip *vip, u32 hash)
{
	struct ring *ring = map_lookup(&rings, &vip->ring);
	if (!ring)
		return NO_SERVER;
	u64 slot = (u64)hash * RING_SLOTS >> 32;
	KEEP(slot);
	return ring->word[slot];
}

/* Table inserts cost half a microsecond under a flood: so many a second and no more. */
INLINE int within_budget(void)
{
	u32 row = 0;
	struct settings *knob = map_lookup(&settings, &row);
	struct budget *budget = map_lookup(&budgets, &row);
	if (!knob || !budget)
		return 0;
	if (!knob->new_flows_per_second)
		return 1;
	u64 now = coarse_nanoseconds();
	if (now - budget->second >= 1000000000ull) {
		budget->second = now;
		budget->used = 0;
	}
	if (budget->used >= knob->new_flows_per_second)
		return 0;
	budget->used++;
	return 1;
}

struct choice {
	struct server *server; /* 0: none lives */
	u32 number;
	int opened;	       /* a flow began */
};

INLINE int take(struct choice *choice, u32 number)
{
	choice->number = number;
	choice->server = live(number);
	return choice->server != 0;
}

/* A flow without an entry began before the slot changed; without its server it starts anew. */
INLINE void take_older(struct choice *choice, u32 word)
{
	if (!take(choice, WORD_PREVIOUS(word)))
		take(choice, WORD_CURRENT(word));
}

INLINE void remember(const void *table, const void *flow, struct choice *choice)
{
	struct held held = {.server = choice->number, .epoch = choice->server->epoch};
	map_update(table, flow, &held, UPDATE_ANY);
	choice->opened = 1;
}

INLINE int recall(const void *table, const void *flow, struct choice *choice)
{
	struct held *held = map_lookup(table, flow);
	if (!held || !take(choice, held->server))
		return 0;
	return choice->server->epoch == held->epoch;
}

INLINE void flow_of4(struct packet *packet, struct flow4 *flow)
{
	flow->source = packet->source;
	flow->destination = packet->target;
	flow->ports = packet->ports;
	flow->protocol = packet->protocol;
}

INLINE void flow_of6(struct packet *packet, struct flow6 *flow)
{
#pragma unroll
	for (int i = 0; i < 4; i++) {
		flow->source[i] = packet->source6[i];
		flow->destination[i] = packet->target6[i];
	}
	flow->ports = packet->ports;
	flow->protocol = packet->protocol;
}

/* A changed slot: a SYN begins a flow of the current server, which the table remembers; what began earlier
 * stays where it is. Past the budget a SYN goes to the previous server as well: its later packets will, too.
 * UDP has no beginning: without an entry it is new. */
INLINE void choose_changed(struct packet *packet, const void *table, const void *flow, u32 word,
			   struct choice *choice)
{
	int opens = opens_flow(packet);
	if (!opens && recall(table, flow, choice))
		return;
	if (!opens && packet->protocol == PROTOCOL_TCP)
		return take_older(choice, word);
	if (packet->about || (opens && !within_budget()))
		return take_older(choice, word);
	if (!take(choice, WORD_CURRENT(word)))
		return;
	if (opens || within_budget())
		remember(table, flow, choice);
}

INLINE void count_traffic(const void *table, u32 row, u32 bytes, int opened)
{
	struct traffic *traffic = map_lookup(table, &row);
	if (!traffic)
		return;
	traffic->packets++;
	traffic->bytes += bytes;
	if (unlikely(opened))
		traffic->opened++;
}

INLINE void count_reply(const void *table, u32 row, u32 bytes)
{
	struct traffic *traffic = map_lookup(table, &row);
	if (!traffic)
		return;
	traffic->reply_packets++;
	traffic->reply_bytes += bytes;
}

INLINE void count_choice(struct packet *packet, struct vip *vip, u32 number, int opened)
{
	count_traffic(&vip_traffic, vip->id, packet->length, opened);
	count_traffic(&server_traffic, number, packet->length, opened);
}
