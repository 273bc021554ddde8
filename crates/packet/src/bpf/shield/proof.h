/* SYNs under attack. A listener of ours gets a SYN cookie sent in its place; for everything behind us the source is
 * challenged: its SYN is answered with a wrong number, which a real client rejects with a RST that repeats it. */
#pragma once
#include "sip.h"
#include "synack.h"
#include "track.h"

#define SECOND 1000000000ull
/* How long proof is asked for after the last second above the rate. */
#define HOLD (3 * SECOND)
/* How long a source that proved itself need not again, if it opens nothing. */
#define KNOWN_FOR (600 * SECOND)
/* A listener sees a SYN itself so often. */
#define WARM_EVERY SECOND

/* CPUs count for themselves and tell each other now and then: nobody waits for the line. */
INLINE int hot(struct packet *packet, struct context *context)
{
	if (context->proof != PROOF_ABOVE)
		return context->proof == PROOF_ALWAYS;
	u32 row = packet->context;
	struct pressure *pressure = map_lookup(&pressures, &row);
	struct spending *spent = spending(packet);
	if (!pressure || !spent)
		return 0;
	u64 now = coarse_nanoseconds();
	if (++spent->syns >= context->proof_batch) {
		if (now - pressure->window >= SECOND) {
			pressure->window = now;
			pressure->count = 0;
		}
		__sync_fetch_and_add(&pressure->count, spent->syns);
		spent->syns = 0;
		if (pressure->count > context->proof_above && pressure->hot_until < now + HOLD / 2)
			pressure->hot_until = now + HOLD;
	}
	return now < pressure->hot_until;
}

INLINE u64 age_of_challenges(void)
{
	return coarse_nanoseconds() >> 35; /* 34 s */
}

INLINE u32 challenge_with(struct packet *packet, struct shield_settings *knobs, u32 key, u64 age)
{
	struct sip sip;
	sip_start(&sip, knobs->keys[key & 1]);
	if (!packet->six) {
		sip_word(&sip, (u64)packet->source << 32 | packet->target);
	} else {
		sip_word(&sip, half(packet->source6, 0));
		sip_word(&sip, half(packet->source6, 1));
		sip_word(&sip, half(packet->target6, 0));
		sip_word(&sip, half(packet->target6, 1));
	}
	sip_word(&sip, (u64)packet->ports << 32 | (u32)age);
	u32 number = sip_end(&sip, !packet->six ? 16 : 40);
	return (number & ~3u) | (age & 1) << 1 | (key & 1);
}

/* Is this RST the answer to a challenge of the last minute? */
INLINE int answers(struct packet *packet, struct shield_settings *knobs)
{
	struct tcp *tcp = packet->body;
	u32 told = tcp->sequence;
	u64 age = age_of_challenges();
	if ((told >> 1 & 1) != (age & 1))
		age--;
	return told == challenge_with(packet, knobs, told & 1, age);
}

INLINE int is_known(struct packet *packet)
{
	u64 source = party(packet), *seen = map_lookup(&known, &source);
	if (!seen)
		return 0;
	u64 now = coarse_nanoseconds();
	if (now - *seen > KNOWN_FOR)
		return 0;
	if (now - *seen > SECOND)
		*seen = now;
	return 1;
}

INLINE void make_known(struct packet *packet)
{
	u64 source = party(packet), now = coarse_nanoseconds();
	map_update(&known, &source, &now, UPDATE_ANY);
}

/* Some clients, or what stands before them, throw our wrong answer away: who sends the same SYN a third time, as
 * TCP does after some seconds, goes on; not more of those than the context's rate. A slot is the SYN's hash, the
 * time in eighths of a second, and how often it came. */
INLINE int insists(struct packet *packet, struct context *context, u64 seed)
{
	struct tcp *tcp = packet->body;
	u64 hash = scatter(party(packet) ^ seed ^ ((u64)tcp->sequence << 32 | packet->ports));
	u32 slot = hash >> (64 - RETRIES_BITS), tag = hash;
	u64 *entry = map_lookup(&retries, &slot);
	if (!entry)
		return 0;
	u64 was = *entry, now = coarse_nanoseconds();
	u32 time = now >> 27 & 0xffffff, times = was & 0xff;
	if ((u32)(was >> 32) != tag) {
		*entry = (u64)tag << 32 | time << 8;
		return 0;
	}
	if ((time - (u32)(was >> 8 & 0xffffff) & 0xffffff) < 6)
		return 0;
	times += times < 200;
	*entry = (u64)tag << 32 | time << 8 | times;
	struct spending *spent = spending(packet);
	return times >= 2 && spent && all_admit(&spent->insistent, &context->insistent, now);
}

/* Balanced elsewhere? */
INLINE int goes_on(struct packet *packet)
{
	struct vip *vip;
	if (!packet->six) {
		struct vip4_key key = {packet->target, packet->ports >> 16, packet->protocol};
		vip = map_lookup(&vips4, &key);
	} else {
		struct vip6_key key WHOLE_WORDS = {.port = packet->ports >> 16, .protocol = packet->protocol};
		copy_address(key.address, packet->target6);
		vip = map_lookup(&vips6, &key);
	}
	return vip && vip->mode != MODE_LOCAL;
}

/* Has the listener seen no SYN for a while? Then it gets this one. */
INLINE int cold(struct packet *packet)
{
	u32 last = !packet->six ? packet->target : packet->target6[3];
	u32 slot = scatter((u64)last << 16 | packet->ports >> 16) >> 52;
	u64 *warmed = map_lookup(&warmth, &slot), now = coarse_nanoseconds();
	if (!warmed || now - *warmed < WARM_EVERY)
		return 0;
	*warmed = now;
	return 1;
}

INLINE int challenge(struct xdp_md *ctx, struct packet *packet, struct context *context,
		     struct shield_settings *knobs, u32 offset)
{
	if (is_known(packet) || insists(packet, context, knobs->seed))
		return GO_ON;
	u32 number = challenge_with(packet, knobs, knobs->key_number, age_of_challenges());
	int done = !packet->six ? answer_challenge4(ctx, offset, number) : answer_challenge6(ctx, offset, number);
	if (done != ANSWERED)
		return drop(packet, REASON_NO_ROOM);
	packet->reason = REASON_CHALLENGE;
	return XDP_TX;
}

/* The SYN itself is checked before a listener is warmed with it: a wrong one would not. */
INLINE int cookie(struct xdp_md *ctx, struct packet *packet, u32 offset)
{
	int done = !packet->six ? answer_cookie4(ctx, offset) : answer_cookie6(ctx, offset);
	if (done == WRONG_CHECKSUM)
		return drop(packet, REASON_BAD_CHECKSUM);
	if (done != ANSWERED)
		return drop(packet, REASON_NO_ROOM);
	packet->reason = REASON_SYN_COOKIE;
	return XDP_TX;
}

INLINE int prove(struct xdp_md *ctx, struct packet *packet, struct context *context,
		 struct shield_settings *knobs, u32 offset)
{
	if (!hot(packet, context))
		return GO_ON;
	if (goes_on(packet))
		return challenge(ctx, packet, context, knobs, offset);
	enum found found = find(ctx, packet);
	if (found == FOUND_CONNECTION) /* TIME-WAIT most of all: only the kernel knows what to answer */
		return GO_ON;
	if (found == FOUND_NONE)
		return challenge(ctx, packet, context, knobs, offset);
	if (cold(packet))
		return GO_ON;
	return cookie(ctx, packet, offset);
}
