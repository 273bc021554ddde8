/* The server's end of a tunnel, for kernels without one: takes the outer IP header off and hands the packet to
 * the stack as if it had come by itself. Only senders that were named may do so: anybody else could put packets
 * with any source address behind the firewall. */
#include "checksum.h"
#include "kernel.h"

/* Why a packet got its verdict. One counter each. */
enum decap_reason {
	DECAP_OTHER,	 /* passed: not a tunnel's */
	DECAP_UNWRAPPED, /* passed without its outer header */
	DECAP_STRANGER,	 /* dropped: the sender is none of ours */
	DECAP_TRUNCATED, /* dropped: the inner header runs past the frame */
	DECAP_NO_ROOM,	 /* dropped: the frame could not be resized */
	DECAP_REASONS,
};

/* Key of an LPM trie: an IPv6 address, or IPv4 as ::ffff:a.b.c.d, and how many bits of it count. */
struct prefix {
	u32 bits;
	u32 address[4];
};

/* Who may send us tunnelled packets. */
struct {
	__uint(type, MAP_LPM_TRIE);
	__type(key, struct prefix);
	__type(value, u32);
	__uint(max_entries, 1024);
	__uint(map_flags, MAP_NO_PREALLOC);
} senders SEC(".maps");

/* Packets by reason. */
struct {
	__uint(type, MAP_PERCPU_ARRAY);
	__type(key, u32);
	__type(value, u64);
	__uint(max_entries, DECAP_REASONS);
	__type(keeps, enum decap_reason); /* in the BTF, for the test that compares it with Rust's */
} decap_reasons SEC(".maps");

INLINE int count(enum decap_reason reason, int verdict)
{
	u32 row = reason;
	u64 *counter = map_lookup(&decap_reasons, &row);
	if (counter)
		(*counter)++;
	return verdict;
}

INLINE int known4(u32 source)
{
	struct prefix prefix = {128, {0, 0, swap32(0xffff), source}};
	return map_lookup(&senders, &prefix) != 0;
}

INLINE int known6(const u32 *source)
{
	struct prefix prefix = {128, {source[0], source[1], source[2], source[3]}};
	return map_lookup(&senders, &prefix) != 0;
}

#define ECN 3
#define ECN_CONGESTION 3

/* RFC 6040: congestion met by the outer header is the inner one's news, if it can tell. */
INLINE void congested4(struct ip4 *ip)
{
	u8 ecn = ip->tos & ECN;
	if (!ecn || ecn == ECN_CONGESTION)
		return;
	ip->tos |= ECN_CONGESTION;
	ip->checksum = adjusted(ip->checksum, (u16)(ECN_CONGESTION - ecn) << 8);
}

INLINE void congested6(struct ip6 *ip)
{
	if (ip->version_class_label & swap32(ECN << 20))
		ip->version_class_label |= swap32(ECN << 20);
}

/* Takes `size` bytes off behind the Ethernet header. */
INLINE int unwrap(struct xdp_md *ctx, void *outer, int size, u16 type, int congested)
{
	struct ethernet ethernet = *((struct ethernet *)outer - 1);
	if (adjust_head(ctx, size))
		return count(DECAP_NO_ROOM, XDP_DROP);
	struct ethernet *now = (void *)(long)ctx->data;
	void *end = (void *)(long)ctx->data_end;
	struct ip4 *ip = (void *)(now + 1);
	if ((void *)(ip + 1) > end)
		return count(DECAP_TRUNCATED, XDP_DROP);
	*now = ethernet;
	now->protocol = type;
	if (congested && type == ETHERTYPE_IP4)
		congested4(ip);
	else if (congested)
		congested6((void *)ip);
	return count(DECAP_UNWRAPPED, XDP_PASS);
}

INLINE u16 inner_type(u8 protocol)
{
	if (protocol == PROTOCOL_IPIP)
		return ETHERTYPE_IP4;
	return protocol == PROTOCOL_IP6 ? ETHERTYPE_IP6 : 0;
}

INLINE int decap4(struct xdp_md *ctx, struct ip4 *ip, void *end)
{
	if ((void *)(ip + 1) > end || ip->version_and_words != 0x45 || !inner_type(ip->protocol))
		return count(DECAP_OTHER, XDP_PASS);
	if (ip->fragment & FRAGMENT_MORE_OR_OFFSET) /* the kernel puts it together and then has no tunnel: its say */
		return count(DECAP_OTHER, XDP_PASS);
	if (!known4(ip->source))
		return count(DECAP_STRANGER, XDP_DROP);
	if ((void *)(ip + 2) > end)
		return count(DECAP_TRUNCATED, XDP_DROP);
	return unwrap(ctx, ip, sizeof(*ip), inner_type(ip->protocol), (ip->tos & ECN) == ECN_CONGESTION);
}

INLINE int decap6(struct xdp_md *ctx, struct ip6 *ip, void *end)
{
	if ((void *)(ip + 1) > end || !inner_type(ip->next_header))
		return count(DECAP_OTHER, XDP_PASS);
	if (!known6(ip->source))
		return count(DECAP_STRANGER, XDP_DROP);
	if ((void *)(ip + 1) + sizeof(struct ip4) > end)
		return count(DECAP_TRUNCATED, XDP_DROP);
	u32 ecn = swap32(ip->version_class_label) >> 20 & ECN;
	return unwrap(ctx, ip, sizeof(*ip), inner_type(ip->next_header), ecn == ECN_CONGESTION);
}

SEC("xdp") int decap(struct xdp_md *ctx)
{
	struct ethernet *ethernet = (void *)(long)ctx->data;
	void *end = (void *)(long)ctx->data_end;
	if ((void *)(ethernet + 1) > end)
		return count(DECAP_OTHER, XDP_PASS);
	if (ethernet->protocol == ETHERTYPE_IP4)
		return decap4(ctx, (void *)(ethernet + 1), end);
	if (ethernet->protocol == ETHERTYPE_IP6)
		return decap6(ctx, (void *)(ethernet + 1), end);
	return count(DECAP_OTHER, XDP_PASS);
}

char licence[] SEC("license") = "Dual MIT/GPL";
