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
	struct flow4 flow = {packet->source, packet->target, packet->ports, packet->protocol};
	u32 hash = hash4(packet, vip);
	u32 word = ring_word(vip, hash);
	if (vip->mode == MODE_NAT)
		return packet->about ? pass(packet, REASON_OTHER_PROTOCOL) : nat4(ctx, packet, vip, &flow, word);
	struct choice choice = {};
	choose(packet, &flows4, &flow, word, &choice);
	return to_server(ctx, packet, vip, &choice, hash);
}

INLINE int balance6(struct xdp_md *ctx, struct packet *packet)
{
	struct vip6_key key = {.port = packet->ports >> 16, .protocol = packet->protocol};
	struct flow6 flow = {.ports = packet->ports, .protocol = packet->protocol};
#pragma unroll
	for (int i = 0; i < 4; i++) {
		flow.source[i] = packet->source6[i];
		flow.destination[i] = key.address[i] = packet->target6[i];
	}
	struct vip *vip = map_lookup(&vips6, &key);
	if (!vip)
		return nat_reply6(ctx, packet);
	if (vip->mode == MODE_LOCAL)
		return pass(packet, REASON_LOCAL);
	if (unlikely(expires(packet)))
		return pass(packet, REASON_TTL);
	u32 hash = hash6(packet, vip);
	u32 word = ring_word(vip, hash);
	if (vip->mode == MODE_NAT)
		return packet->about ? pass(packet, REASON_OTHER_PROTOCOL) : nat6(ctx, packet, vip, &flow, word);
	struct choice choice = {};
	choose(packet, &flows6, &flow, word, &choice);
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

SEC("xdp") int door(struct xdp_md *ctx)
{
	struct packet packet = {};
	int verdict = parse(ctx, &packet);
	/* The shield belongs here: it may answer or drop what the parser found lawful. */
	if (verdict == GO_ON)
		verdict = packet.ip4 ? balance4(ctx, &packet) : balance6(ctx, &packet);
	return count(&packet, verdict);
}

/* Parts of it call helpers that the kernel gives only to programs under the GPL. */
char licence[] SEC("license") = "Dual MIT/GPL";
