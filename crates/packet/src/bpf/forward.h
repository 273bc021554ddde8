/* The ways to a server that leave the packet as it is: direct return and tunnel; and how frames leave. */
#pragma once
#include "checksum.h"
#include "choose.h"

INLINE int leave(struct xdp_md *ctx, struct packet *packet, u32 interface, enum reason reason)
{
	packet->reason = reason;
	if (!interface || interface == ctx->ingress_ifindex)
		return XDP_TX;
	return redirect(interface, 0);
}

INLINE void set_macs(void *frame, const u32 *macs)
{
	u32 *to = frame;
	to[0] = macs[0];
	to[1] = macs[1];
	to[2] = macs[2];
}

/* What a TTL that falls by one adds to the sum of its header. */
#define AGED 0xfffe

/* We are a router: a packet that goes in circles dies. The caller made sure of a TTL above 1. */
INLINE void age4(struct ip4 *ip)
{
	u32 checksum = ip->checksum + 1; /* RFC 1141: the first byte of its word falls by one */
	ip->checksum = checksum + (checksum >= 0xffff);
	ip->ttl--;
}

INLINE int expires(struct packet *packet)
{
	return (!packet->six ? packet->ip4->ttl : packet->ip6->hop_limit) <= 1;
}

INLINE void age(struct packet *packet)
{
	if (!packet->six)
		age4(packet->ip4);
	else
		packet->ip6->hop_limit--;
}

INLINE int direct(struct xdp_md *ctx, struct packet *packet, struct server *server)
{
	age(packet);
	set_macs(packet->ethernet, server->macs);
	return leave(ctx, packet, server->interface, REASON_DSR);
}

/* Makes room for an outer header and gives where it goes; the Ethernet part is written. */
INLINE void *wrap(struct xdp_md *ctx, u32 tagged, u32 tag_and_type, u32 size, const u32 *macs, u16 type)
{
	if (adjust_head(ctx, -(int)size))
		return 0;
	struct ethernet *ethernet = frame_start(ctx);
	struct vlan *vlan = (void *)(ethernet + 1);
	void *end = frame_end(ctx);
	if ((void *)(vlan + 1) + size > end)
		return 0;
	set_macs(ethernet, macs);
	if (likely(!tagged)) {
		ethernet->protocol = type;
		return vlan;
	}
	ethernet->protocol = ETHERTYPE_VLAN;
	vlan->tag = tag_and_type;
	vlan->protocol = type;
	return vlan + 1;
}

INLINE u16 vlan_tag(struct packet *packet)
{
	return packet->tagged ? ((struct vlan *)(packet->ethernet + 1))->tag : 0;
}

/* RFC 2003. Outer source bits may vary by flow so that the server's card spreads the load over its queues. */
INLINE int tunnel4(struct xdp_md *ctx, struct packet *packet, struct server *server, u32 hash)
{
	u32 inner = packet->length;
	u8 tos = !packet->six ? packet->ip4->tos : swap32(packet->ip6->version_class_label) >> 20;
	u16 dont_fragment = !packet->six ? packet->ip4->fragment & FRAGMENT_DONT : FRAGMENT_DONT;
	u8 protocol = !packet->six ? PROTOCOL_IPIP : PROTOCOL_IP6;
	struct ip4 *outer = wrap(ctx, packet->tagged, vlan_tag(packet), sizeof(*outer), server->macs, ETHERTYPE_IP4);
	if (!outer)
		return drop(packet, REASON_NO_ROOM);
	u32 source = server->source[0] ^ (hash & server->source_spread);
	u32 destination = server->address[0];
	outer->version_and_words = 0x45;
	outer->tos = tos;
	outer->length = swap16(inner + sizeof(*outer));
	outer->id = 0;
	outer->fragment = dont_fragment;
	outer->ttl = 64;
	outer->protocol = protocol;
	outer->source = source;
	outer->destination = destination;
	u64 sum = 0x45 + ((u32)tos << 8) + outer->length + dont_fragment + (64 | protocol << 8);
	sum += (u64)source + destination;
	outer->checksum = ~fold64(sum);
	return leave(ctx, packet, server->interface, REASON_TUNNEL);
}

/* RFC 2473; the flow label spreads the load (RFC 6438). */
INLINE int tunnel6(struct xdp_md *ctx, struct packet *packet, struct server *server, u32 hash)
{
	u32 inner = packet->length;
	u32 class = !packet->six ? (u32)packet->ip4->tos << 20 : swap32(packet->ip6->version_class_label) & 0xff00000;
	u8 protocol = !packet->six ? PROTOCOL_IPIP : PROTOCOL_IP6;
	struct ip6 *outer = wrap(ctx, packet->tagged, vlan_tag(packet), sizeof(*outer), server->macs, ETHERTYPE_IP6);
	if (!outer)
		return drop(packet, REASON_NO_ROOM);
	outer->version_class_label = swap32(0x60000000 | class | (hash & 0xfffff));
	outer->payload_length = swap16(inner);
	outer->next_header = protocol;
	outer->hop_limit = 64;
	copy_address(outer->source, server->source);
	copy_address(outer->destination, server->address);
	return leave(ctx, packet, server->interface, REASON_TUNNEL);
}
