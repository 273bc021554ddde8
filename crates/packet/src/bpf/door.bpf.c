/* The front door: every packet of the interface comes through here before the kernel's stack. */
#include "answer.h"
#include "nat.h"

INLINE int to_server(struct xdp_md *ctx, struct packet *packet, struct vip *vip, struct choice *choice, u32 hash)
{
	if (!choice->server)
		return drop(packet, REASON_NO_SERVER);
	count_choice(packet, vip, choice->number, choice->opened);
	return vip->mode == MODE_DSR ? direct(ctx, packet, choice->server) : tunnel(ctx, packet, choice->server, hash);
}

INLINE void choose4(struct packet *packet, u32 word, struct choice *choice)
{
	if (likely(!(word & WORD_CHANGED))) {
		take(choice, WORD_CURRENT(word));
		return;
	}
	struct flow4 flow;
	flow_of4(packet, &flow);
	choose_changed(packet, &flows4, &flow, word, choice);
}

INLINE void choose6(struct packet *packet, u32 word, struct choice *choice)
{
	if (likely(!(word & WORD_CHANGED))) {
		take(choice, WORD_CURRENT(word));
		return;
	}
	struct flow6 flow;
	flow_of6(packet, &flow);
	choose_changed(packet, &flows6, &flow, word, choice);
}

INLINE int balance4(struct xdp_md *ctx, struct packet *packet)
{
	struct vip4_key key = {packet->target, packet->ports >> 16, packet->protocol};
	struct vip *vip = map_lookup(&vips4, &key);
	if (!vip)
		return nat_reply4(ctx, packet);
	if (vip->mode == MODE_LOCAL)
		return pass(packet, REASON_LOCAL);
	if (unlikely(expires(packet)))
		return pass(packet, REASON_TTL);
	if (vip->mode == MODE_NAT)
		return packet->about ? nat_error4(ctx, packet, vip) : nat4(ctx, packet, vip);
	u32 hash = hash4(packet, vip);
	struct choice choice = {.opened = opens_flow(packet)};
	choose4(packet, ring_word(vip, hash), &choice);
	return to_server(ctx, packet, vip, &choice, hash);
}

INLINE int balance6(struct xdp_md *ctx, struct packet *packet)
{
	struct vip6_key key = {.port = packet->ports >> 16, .protocol = packet->protocol};
#pragma unroll
	for (int i = 0; i < 4; i++)
		key.address[i] = packet->target6[i];
	struct vip *vip = map_lookup(&vips6, &key);
	if (!vip)
		return nat_reply6(ctx, packet);
	if (vip->mode == MODE_LOCAL)
		return pass(packet, REASON_LOCAL);
	if (unlikely(expires(packet)))
		return pass(packet, REASON_TTL);
	if (vip->mode == MODE_NAT)
		return packet->about ? nat_error6(ctx, packet, vip) : nat6(ctx, packet, vip);
	u32 hash = hash6(packet, vip);
	struct choice choice = {.opened = opens_flow(packet)};
	choose6(packet, ring_word(vip, hash), &choice);
	return to_server(ctx, packet, vip, &choice, hash);
}

INLINE int count(struct packet *packet, int verdict)
{
	u32 row = packet->reason;
	u64 *counter = map_lookup(&reasons, &row);
	if (counter)
		(*counter)++;
	return verdict;
}

/* One packet's way. The shield belongs between parse and balance: it may answer or drop what was found lawful.
 * Its callers say in constants what kind of frame it is, so that each kind has its own straight code. */
INLINE int walk4(struct xdp_md *ctx, struct ethernet *ethernet, void *ip, u8 tagged)
{
	struct packet packet = {.ethernet = ethernet, .tagged = tagged};
	int verdict = parse4(&packet, ip, frame_end(ctx));
	if (verdict == GO_ON)
		verdict = balance4(ctx, &packet);
	return count(&packet, verdict);
}

INLINE int walk6(struct xdp_md *ctx, struct ethernet *ethernet, void *ip, u8 tagged)
{
	struct packet packet = {.ethernet = ethernet, .tagged = tagged};
	int verdict = parse6(&packet, ip, frame_end(ctx));
	if (verdict == GO_ON)
		verdict = balance6(ctx, &packet);
	return count(&packet, verdict);
}

INLINE int no_ip(enum reason reason, int verdict)
{
	struct packet packet = {.reason = reason};
	return count(&packet, verdict);
}

INLINE int walk_tagged(struct xdp_md *ctx, struct ethernet *ethernet)
{
	struct vlan *vlan = (void *)(ethernet + 1);
	if ((void *)(vlan + 1) > frame_end(ctx))
		return no_ip(REASON_TRUNCATED, XDP_DROP);
	if (vlan->protocol == ETHERTYPE_IP4)
		return walk4(ctx, ethernet, vlan + 1, 1);
	if (vlan->protocol == ETHERTYPE_IP6)
		return walk6(ctx, ethernet, vlan + 1, 1);
	return no_ip(REASON_NOT_IP, XDP_PASS);
}

SEC("xdp") int door(struct xdp_md *ctx)
{
	struct ethernet *ethernet = frame_start(ctx);
	if ((void *)(ethernet + 1) > frame_end(ctx))
		return no_ip(REASON_TRUNCATED, XDP_DROP);
	if (likely(ethernet->protocol == ETHERTYPE_IP4))
		return walk4(ctx, ethernet, ethernet + 1, 0);
	if (ethernet->protocol == ETHERTYPE_IP6)
		return walk6(ctx, ethernet, ethernet + 1, 0);
	if (ethernet->protocol == ETHERTYPE_VLAN)
		return walk_tagged(ctx, ethernet);
	return no_ip(REASON_NOT_IP, XDP_PASS);
}

/* Parts of it call helpers that the kernel gives only to programs under the GPL. */
char licence[] SEC("license") = "Dual MIT/GPL";
