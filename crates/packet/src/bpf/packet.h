/* Frame -> packet: every length proven, everything impossible dropped. */
#pragma once
#include "maps.h"

/* "No verdict yet"; outside the kernel's XDP verdicts. */
#define GO_ON (-1)

/* What later steps need. Pointers die when the frame is resized. */
struct packet {
	struct ethernet *ethernet;
	struct ip4 *ip4;	/* one of the two is set */
	struct ip6 *ip6;
	void *body;		/* TCP or UDP header; of an ICMP error: the ICMP header */
	/* The flow it belongs to; of an ICMP error: the flow the error is about, as the client sends it. */
	u32 source, target;	/* IPv4 */
	u32 *source6, *target6; /* IPv6, in the frame */
	u32 ports;		/* source | destination << 16, each in network order */
	u8 protocol;
	u8 flags;		/* TCP's */
	u8 about;		/* an ICMP error about the flow, not of it */
	u8 tagged;		/* one VLAN tag, kept as it is */
	u32 length;		/* of the IP packet */
	enum reason reason;
	/* The shield's; without it all of these are 0. */
	u8 six;			/* IPv6, as a constant: pointers are none to the verifier */
	u32 context;		/* row of its destination's context */
	u8 strict;		/* goes on only as part of a connection */
	u8 unasked;		/* no gate is open for it: only an answer to something of ours may pass */
};

INLINE int pass(struct packet *packet, enum reason reason)
{
	packet->reason = reason;
	return XDP_PASS;
}

INLINE int drop(struct packet *packet, enum reason reason)
{
	packet->reason = reason;
	return XDP_DROP;
}

INLINE void *frame_start(struct xdp_md *ctx)
{
	return (void *)(long)ctx->data;
}

INLINE void *frame_end(struct xdp_md *ctx)
{
	return (void *)(long)ctx->data_end;
}

INLINE struct settings *knobs(void)
{
	u32 row = 0;
	return map_lookup(&settings, &row);
}

INLINE int by_policy(struct packet *packet, int drops, enum reason passed, enum reason dropped)
{
	return drops ? drop(packet, dropped) : pass(packet, passed);
}

INLINE int fragment(struct packet *packet)
{
	struct settings *knob = knobs();
	return by_policy(packet, knob && knob->fragments == POLICY_DROP, REASON_FRAGMENT_PASSED,
			 REASON_FRAGMENT_DROPPED);
}

INLINE int options(struct packet *packet)
{
	struct settings *knob = knobs();
	return by_policy(packet, knob && knob->options == POLICY_DROP, REASON_OPTIONS_PASSED,
			 REASON_OPTIONS_DROPPED);
}

INLINE int opens_flow(struct packet *packet)
{
	return (packet->flags & (TCP_SYN | TCP_ACK)) == TCP_SYN;
}

/* RFC 9293, and what scanners send instead of it. */
INLINE int impossible_flags(u8 flags)
{
	if (!(flags & (TCP_SYN | TCP_RST | TCP_ACK)))
		return 1;
	if (flags & TCP_SYN)
		return (flags & (TCP_FIN | TCP_RST)) != 0;
	return (flags & (TCP_FIN | TCP_RST)) == (TCP_FIN | TCP_RST);
}

INLINE int parse_tcp(struct packet *packet, void *end, u32 room)
{
	struct tcp *tcp = packet->body;
	if ((void *)(tcp + 1) > end)
		return drop(packet, REASON_TRUNCATED);
	u32 header = (tcp->words >> 4) * 4;
	if (header < sizeof(*tcp) || header > room)
		return drop(packet, REASON_BAD_LENGTH);
	packet->flags = tcp->flags & TCP_KNOWN_FLAGS;
	if (impossible_flags(packet->flags))
		return drop(packet, REASON_BAD_FLAGS);
	packet->ports = *(u32 *)tcp;
	if (!(packet->ports & 0xffff) || !(packet->ports >> 16))
		return drop(packet, REASON_BAD_PORT);
	return GO_ON;
}

INLINE int parse_udp(struct packet *packet, void *end, u32 room)
{
	struct udp *udp = packet->body;
	if ((void *)(udp + 1) > end)
		return drop(packet, REASON_TRUNCATED);
	u32 length = swap16(udp->length);
	if (length < sizeof(*udp) || length > room)
		return drop(packet, REASON_BAD_LENGTH);
	packet->flags = 0;
	packet->ports = *(u32 *)udp;
	if (!(packet->ports >> 16)) /* a source port of 0 means "do not answer": RFC 768 */
		return drop(packet, REASON_BAD_PORT);
	return GO_ON;
}

/* The flow an error is about was seen from our side: turn it round. */
INLINE void turn_round(struct packet *packet, u8 protocol, u32 ports)
{
	packet->protocol = protocol;
	packet->ports = ports << 16 | ports >> 16;
	packet->flags = TCP_ACK;
	packet->about = 1;
}

/* Errors about balanced flows (most of all "too big", RFC 1191) belong to the flow's server. */
INLINE int parse_icmp(struct packet *packet, void *end)
{
	struct icmp *icmp = packet->body;
	struct ip4 *about = (void *)(icmp + 1);
	u32 *ports = (void *)(about + 1);
	if ((void *)(ports + 1) > end)
		return pass(packet, REASON_OTHER_PROTOCOL);
	if (icmp->type != 3 && icmp->type != 11)
		return pass(packet, REASON_OTHER_PROTOCOL);
	if (about->version_and_words != 0x45 || about->source != packet->target)
		return pass(packet, REASON_OTHER_PROTOCOL);
	if (about->protocol != PROTOCOL_TCP && about->protocol != PROTOCOL_UDP)
		return pass(packet, REASON_OTHER_PROTOCOL);
	packet->source = about->destination;
	turn_round(packet, about->protocol, *ports);
	return GO_ON;
}

INLINE int same6(const u32 *a, const u32 *b)
{
	return a[3] == b[3] && a[2] == b[2] && a[1] == b[1] && a[0] == b[0];
}

INLINE int parse_icmp6(struct packet *packet, void *end)
{
	struct icmp *icmp = packet->body;
	struct ip6 *about = (void *)(icmp + 1);
	u32 *ports = (void *)(about + 1);
	if ((void *)(ports + 1) > end)
		return pass(packet, REASON_OTHER_PROTOCOL);
	if (icmp->type < 1 || icmp->type > 3)
		return pass(packet, REASON_OTHER_PROTOCOL);
	if (about->next_header != PROTOCOL_TCP && about->next_header != PROTOCOL_UDP)
		return pass(packet, REASON_OTHER_PROTOCOL);
	if (!same6(about->source, packet->target6))
		return pass(packet, REASON_OTHER_PROTOCOL);
	packet->source6 = about->destination;
	turn_round(packet, about->next_header, *ports);
	return GO_ON;
}

INLINE int parse4(struct packet *packet, struct ip4 *ip, void *end)
{
	if ((void *)(ip + 1) > end)
		return drop(packet, REASON_TRUNCATED);
	packet->length = swap16(ip->length);
	packet->protocol = ip->protocol;
	packet->ip4 = ip;
	packet->source = ip->source;
	packet->target = ip->destination;
	if (unlikely(ip->version_and_words != 0x45)) {
		if (ip->version_and_words >> 4 != 4 || (ip->version_and_words & 15) < 5)
			return drop(packet, REASON_BAD_HEADER);
		if (ip->protocol != PROTOCOL_TCP && ip->protocol != PROTOCOL_UDP)
			return pass(packet, REASON_OTHER_PROTOCOL);
		return options(packet);
	}
	if (packet->length < sizeof(*ip) || (void *)ip + packet->length > end)
		return drop(packet, REASON_TRUNCATED);
	if (unlikely(ip->fragment & FRAGMENT_MORE_OR_OFFSET))
		return fragment(packet);
	packet->body = ip + 1;
	u8 first = ip->source & 0xff;
	if (unlikely(first == 127 || first >= 224 || packet->source == packet->target))
		return drop(packet, REASON_MARTIAN);
	if (likely(ip->protocol == PROTOCOL_TCP))
		return parse_tcp(packet, end, packet->length - sizeof(*ip));
	if (ip->protocol == PROTOCOL_UDP)
		return parse_udp(packet, end, packet->length - sizeof(*ip));
	if (ip->protocol == PROTOCOL_ICMP)
		return parse_icmp(packet, end);
	return pass(packet, REASON_OTHER_PROTOCOL);
}

/* ff00::/8 and ::1 send nothing, nor does anyone to himself over a wire. */
INLINE int martian6(const struct ip6 *ip)
{
	if ((ip->source[0] & 0xff) == 0xff)
		return 1;
	if (!ip->source[0] && !ip->source[1] && !ip->source[2] && ip->source[3] == swap32(1))
		return 1;
	return same6(ip->source, ip->destination);
}

INLINE int parse6(struct packet *packet, struct ip6 *ip, void *end)
{
	if ((void *)(ip + 1) > end)
		return drop(packet, REASON_TRUNCATED);
	if ((ip->version_class_label & 0xf0) != 0x60)
		return drop(packet, REASON_BAD_HEADER);
	u32 room = swap16(ip->payload_length);
	if ((void *)(ip + 1) + room > end)
		return drop(packet, REASON_TRUNCATED);
	packet->ip6 = ip;
	packet->body = ip + 1;
	packet->source6 = ip->source;
	packet->target6 = ip->destination;
	packet->length = room + sizeof(*ip);
	packet->protocol = ip->next_header;
	if (unlikely(martian6(ip)))
		return drop(packet, REASON_MARTIAN);
	if (likely(ip->next_header == PROTOCOL_TCP))
		return parse_tcp(packet, end, room);
	switch (ip->next_header) {
	case PROTOCOL_UDP:
		return parse_udp(packet, end, room);
	case PROTOCOL_ICMP6:
		return parse_icmp6(packet, end);
	case PROTOCOL_FRAGMENT:
		return fragment(packet);
	case PROTOCOL_HOP_BY_HOP: /* neighbour and group messages need theirs */
		return pass(packet, REASON_OPTIONS_PASSED);
	case PROTOCOL_ROUTING:
	case PROTOCOL_DESTINATION_OPTIONS:
		return options(packet);
	}
	return pass(packet, REASON_OTHER_PROTOCOL);
}
