/* The shield: what the door knows to be lawful has to be welcome as well. Lists, then gates, then budgets, then proof;
 * whether it belongs to a connection shows where it goes (track.h). */
#pragma once
#include "proof.h"
#include "tell.h"

/* TCP, UDP, and ICMP errors about them. */
INLINE int guard(struct xdp_md *ctx, struct packet *packet, struct context *context, struct shield_settings *knobs,
		 u32 offset)
{
	int tcp = packet->protocol == PROTOCOL_TCP && !packet->about, opens = tcp && opens_flow(packet);
	int stateful = context->tracking == TRACKING_STATEFUL && !packet->about;
	if (context->gated && !packet->about && !gate_open(packet, packet->ports >> 16)) {
		if (!stateful)
			return drop(packet, REASON_NOT_ALLOWED);
		packet->unasked = 1;
		packet->strict = tcp;
	} else {
		packet->strict = stateful && tcp && !opens;
	}
	int verdict = packet_budget(packet, context, knobs->seed);
	if (verdict != GO_ON)
		return verdict;
	if (packet->about)
		return icmp_budget(packet, context, knobs->seed);
	if (!tcp)
		return udp_budget(packet, context, knobs->seed);
	if (!opens || packet->unasked) {
		if ((packet->flags & TCP_RST) && context->proof && answers(packet, knobs)) {
			make_known(packet);
			return drop(packet, REASON_PROVEN);
		}
		return GO_ON;
	}
	verdict = syn_budget(packet, context, knobs->seed);
	return verdict == GO_ON ? prove(ctx, packet, context, knobs, offset) : verdict;
}

/* ICMP that belongs to the network's own work: errors, neighbours, groups. */
INLINE int network_needs(struct packet *packet, u8 type)
{
	if (!packet->six)
		return type == 3 || type == 11 || type == 12;
	return (type >= 1 && type <= 4) || (type >= 130 && type <= 137) || type == 143;
}

/* What the door hands to the kernel without looking further: other protocols, fragments, IP options. */
INLINE int guard_other(struct xdp_md *ctx, struct packet *packet, struct context *context,
		       struct shield_settings *knobs, u32 offset)
{
	enum reason reason = packet->reason;
	int verdict = packet_budget(packet, context, knobs->seed);
	if (verdict != GO_ON)
		return verdict;
	if (packet->protocol != PROTOCOL_ICMP && packet->protocol != PROTOCOL_ICMP6) {
		if (reason == REASON_OTHER_PROTOCOL && context->gated && !gate_open(packet, 0))
			return drop(packet, REASON_NOT_ALLOWED);
		verdict = udp_budget(packet, context, knobs->seed);
	} else {
		struct icmp *icmp = frame_start(ctx) + offset + (!packet->six ? sizeof(struct ip4) : sizeof(struct ip6));
		if ((void *)(icmp + 1) > frame_end(ctx))
			return drop(packet, REASON_TRUNCATED);
		int needed = reason == REASON_OTHER_PROTOCOL && network_needs(packet, icmp->type);
		if (!needed && context->gated && !gate_open(packet, swap16(icmp->type)))
			return drop(packet, REASON_NOT_ALLOWED);
		if (!needed || !packet->six)
			verdict = icmp_budget(packet, context, knobs->seed);
	}
	return verdict == GO_ON ? pass(packet, reason) : verdict;
}

INLINE int guarded(struct xdp_md *ctx, struct packet *packet, int verdict, u32 listed, struct shield_settings *knobs,
		   u32 offset)
{
	if (listed == LISTED_BLOCK)
		return drop(packet, REASON_BLOCKED);
	if (listed == LISTED_ALLOW || packet->context == CONTEXT_NONE)
		return verdict;
	u32 row = packet->context;
	struct context *context = map_lookup(&contexts, &row);
	if (!context)
		return verdict;
	if (verdict == GO_ON)
		return guard(ctx, packet, context, knobs, offset);
	return guard_other(ctx, packet, context, knobs, offset);
}

/* `verdict` is what the door found: a drop stays one. */
INLINE int shield4(struct xdp_md *ctx, struct packet *packet, int verdict, u32 offset)
{
	struct shield_settings *knobs = shield_knobs();
	if (verdict == XDP_DROP || !knobs)
		return verdict;
	u32 listed = listed4(packet, knobs);
	packet->context = context4(packet);
	return guarded(ctx, packet, verdict, listed, knobs, offset);
}

INLINE int shield6(struct xdp_md *ctx, struct packet *packet, int verdict, u32 offset)
{
	struct shield_settings *knobs = shield_knobs();
	if (verdict == XDP_DROP || !knobs)
		return verdict;
	u32 listed = listed6(packet, knobs);
	packet->context = context6(packet);
	return guarded(ctx, packet, verdict, listed, knobs, offset);
}
