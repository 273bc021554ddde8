/* The front door: every packet of the interface comes through here before the kernel's stack. */
#include "answer.h"
#include "nat.h"
#include "shield/shield.h"

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
	struct flow6 flow WHOLE_WORDS;
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
		return to_stack(ctx, packet, REASON_LOCAL);
	if (packet->unasked)
		return drop(packet, REASON_NOT_ALLOWED);
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
	struct vip6_key key WHOLE_WORDS = {.port = packet->ports >> 16, .protocol = packet->protocol};
	copy_address(key.address, packet->target6);
	struct vip *vip = map_lookup(&vips6, &key);
	if (!vip)
		return nat_reply6(ctx, packet);
	if (vip->mode == MODE_LOCAL)
		return to_stack(ctx, packet, REASON_LOCAL);
	if (packet->unasked)
		return drop(packet, REASON_NOT_ALLOWED);
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

/* One packet's way. The shield stands between parse and balance: it may answer or drop what was found lawful.
 * Its callers say in constants what kind of frame it is and whether there is a shield, so that each kind has its own
 * straight code, and without a shield nothing of it is left. */
INLINE int walk4(struct xdp_md *ctx, struct ethernet *ethernet, void *ip, u8 tagged, int shielded)
{
	struct packet packet = {.ethernet = ethernet, .tagged = tagged};
	int verdict = parse4(&packet, ip, frame_end(ctx));
	if (shielded)
		verdict = shield4(ctx, &packet, verdict, tagged ? 18 : 14);
	if (verdict == GO_ON)
		verdict = balance4(ctx, &packet);
	if (shielded)
		count_in_context(&packet, verdict);
	return count(&packet, verdict);
}

INLINE int walk6(struct xdp_md *ctx, struct ethernet *ethernet, void *ip, u8 tagged, int shielded)
{
	struct packet packet = {.ethernet = ethernet, .tagged = tagged, .six = 1};
	int verdict = parse6(&packet, ip, frame_end(ctx));
	if (shielded) {
		keep_addresses(&packet);
		verdict = shield6(ctx, &packet, verdict, tagged ? 18 : 14);
	}
	if (verdict == GO_ON)
		verdict = balance6(ctx, &packet);
	if (shielded)
		count_in_context(&packet, verdict);
	return count(&packet, verdict);
}

INLINE int no_ip(enum reason reason, int verdict)
{
	struct packet packet = {.reason = reason};
	return count(&packet, verdict);
}

INLINE int walk_tagged(struct xdp_md *ctx, struct ethernet *ethernet, int shielded)
{
	struct vlan *vlan = (void *)(ethernet + 1);
	if ((void *)(vlan + 1) > frame_end(ctx))
		return no_ip(REASON_TRUNCATED, XDP_DROP);
	if (vlan->protocol == ETHERTYPE_IP4)
		return walk4(ctx, ethernet, vlan + 1, 1, shielded);
	if (vlan->protocol == ETHERTYPE_IP6)
		return walk6(ctx, ethernet, vlan + 1, 1, shielded);
	return no_ip(REASON_NOT_IP, XDP_PASS);
}

INLINE int walk(struct xdp_md *ctx, int shielded)
{
	struct ethernet *ethernet = frame_start(ctx);
	if ((void *)(ethernet + 1) > frame_end(ctx))
		return no_ip(REASON_TRUNCATED, XDP_DROP);
	if (likely(ethernet->protocol == ETHERTYPE_IP4))
		return walk4(ctx, ethernet, ethernet + 1, 0, shielded);
	if (ethernet->protocol == ETHERTYPE_IP6)
		return walk6(ctx, ethernet, ethernet + 1, 0, shielded);
	if (ethernet->protocol == ETHERTYPE_VLAN)
		return walk_tagged(ctx, ethernet, shielded);
	return no_ip(REASON_NOT_IP, XDP_PASS);
}

SEC("xdp") int door(struct xdp_md *ctx)
{
	return walk(ctx, 0);
}

/* The same behind the shield; only one of the two is loaded. */
SEC("xdp") int shielded(struct xdp_md *ctx)
{
	return walk(ctx, 1);
}

/* Parts of it call helpers that the kernel gives only to programs under the GPL. */
char licence[] SEC("license") = "Dual MIT/GPL";
