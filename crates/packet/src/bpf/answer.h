/* "Too big" answers of the tunnel: without them full-size packets of clients vanish. */
#pragma once
#include "forward.h"

/* How much of the packet is quoted; it is longer than this, or it had fitted. RFC 792 asks for the header and
 * 8 bytes, RFC 4443 for as much as fits: a TCP header with options is what senders look at. */
#define QUOTE4 80
#define QUOTE6 100

/* Cuts the frame to `kept` bytes after the Ethernet header and makes room for `added` before them.
 * The Ethernet header is the client's with its addresses swapped. */
INLINE void *turn_frame(struct xdp_md *ctx, struct packet *packet, int kept, int added)
{
	struct ethernet was = *packet->ethernet;
	u32 tagged = packet->tagged, tag = vlan_tag(packet);
	u16 type = !packet->six ? ETHERTYPE_IP4 : ETHERTYPE_IP6;
	s64 frame = frame_end(ctx) - frame_start(ctx);
	KEEP(frame); /* pointers may be subtracted whole only */
	int header = sizeof(struct ethernet) + (tagged ? sizeof(struct vlan) : 0);
	if (adjust_tail(ctx, header + kept - frame))
		return 0;
	u32 macs[3] = {
		was.source[0] | (u32)was.source[1] << 16,
		was.source[2] | (u32)was.destination[0] << 16,
		was.destination[1] | (u32)was.destination[2] << 16,
	};
	return wrap(ctx, tagged, tag, added, macs, type);
}

INLINE int too_big4(struct xdp_md *ctx, struct packet *packet, u32 fits)
{
	u32 client = packet->ip4->source, vip = packet->ip4->destination;
	struct ip4 *ip = turn_frame(ctx, packet, QUOTE4, sizeof(*ip) + sizeof(struct icmp));
	if (!ip)
		return drop(packet, REASON_NO_ROOM);
	struct icmp *icmp = (void *)(ip + 1);
	if ((void *)(icmp + 1) + QUOTE4 > frame_end(ctx))
		return drop(packet, REASON_NO_ROOM);
	ip->version_and_words = 0x45;
	ip->tos = 0;
	ip->length = swap16(sizeof(*ip) + sizeof(*icmp) + QUOTE4);
	ip->id = 0;
	ip->fragment = FRAGMENT_DONT;
	ip->ttl = 64;
	ip->protocol = PROTOCOL_ICMP;
	ip->checksum = 0;
	ip->source = vip;
	ip->destination = client;
	ip->checksum = ~fold64((u32)checksum_diff(0, 0, ip, sizeof(*ip), 0));
	icmp->type = 3; /* destination unreachable: fragmentation needed (RFC 1191) */
	icmp->code = 4;
	icmp->checksum = 0;
	icmp->rest = swap32(fits);
	icmp->checksum = ~fold64((u32)checksum_diff(0, 0, icmp, sizeof(*icmp) + QUOTE4, 0));
	packet->reason = REASON_TOO_BIG;
	return XDP_TX;
}

INLINE int too_big6(struct xdp_md *ctx, struct packet *packet, u32 fits)
{
	u32 client[4] WHOLE_WORDS, vip[4] WHOLE_WORDS;
	copy_address(client, packet->ip6->source);
	copy_address(vip, packet->ip6->destination);
	struct ip6 *ip = turn_frame(ctx, packet, QUOTE6, sizeof(*ip) + sizeof(struct icmp));
	if (!ip)
		return drop(packet, REASON_NO_ROOM);
	struct icmp *icmp = (void *)(ip + 1);
	if ((void *)(icmp + 1) + QUOTE6 > frame_end(ctx))
		return drop(packet, REASON_NO_ROOM);
	ip->version_class_label = 0x60;
	ip->payload_length = swap16(sizeof(*icmp) + QUOTE6);
	ip->next_header = PROTOCOL_ICMP6;
	ip->hop_limit = 64;
	copy_address(ip->source, vip);
	copy_address(ip->destination, client);
	icmp->type = 2; /* packet too big (RFC 4443) */
	icmp->code = 0;
	icmp->checksum = 0;
	icmp->rest = swap32(fits);
	u64 sum = (u32)checksum_diff(0, 0, ip->source, 32, 0);
	sum += (u32)checksum_diff(0, 0, icmp, sizeof(*icmp) + QUOTE6, 0);
	sum += swap16(sizeof(*icmp) + QUOTE6) + swap16(PROTOCOL_ICMP6);
	icmp->checksum = ~fold64(sum);
	packet->reason = REASON_TOO_BIG;
	return XDP_TX;
}

INLINE int tunnel(struct xdp_md *ctx, struct packet *packet, struct server *server, u32 hash)
{
	if (unlikely(packet->length > server->packet_max)) {
		if (packet->about)
			return drop(packet, REASON_NO_ROOM); /* never an error about an error: RFC 1122, 3.2.2 */
		return !packet->six ? too_big4(ctx, packet, server->packet_max)
				   : too_big6(ctx, packet, server->packet_max);
	}
	age(packet);
	return server->family == 4 ? tunnel4(ctx, packet, server, hash) : tunnel6(ctx, packet, server, hash);
}
