/* For tests and benchmarks only, never part of the product: restores a packet, varies its flow and tail-calls
 * the program under test, because BPF_PROG_TEST_RUN with a repeat count hands a program its own output. */
#include "checksum.h"
#include "kernel.h"

#define PACKET_MAX 128

/* The one row of what is run. */
struct run {
	u32 length;  /* of the packet */
	u32 at_tail; /* the program resizes the frame's end, not its start */
	u32 flows;   /* how many sources take turns */
	u32 turn;
	u32 six;     /* IPv6 */
	u32 interface; /* where `generate` sends to */
	u8 packet[PACKET_MAX];
};

struct {
	__uint(type, MAP_ARRAY);
	__type(key, u32);
	__type(value, struct run);
	__uint(max_entries, 1);
} runs SEC(".maps");

/* The program under test. */
struct {
	__uint(type, MAP_PROG_ARRAY);
	__type(key, u32);
	__type(value, u32);
	__uint(max_entries, 1);
} tested SEC(".maps");

/* The one row of how many packets `swallow` got. */
struct {
	__uint(type, MAP_PERCPU_ARRAY);
	__type(key, u32);
	__type(value, u64);
	__uint(max_entries, 1);
} swallowed SEC(".maps");

INLINE struct run *the_run(void)
{
	u32 row = 0;
	return map_lookup(&runs, &row);
}

/* A multiplication scatters neighbours over the table. */
INLINE u32 next_flow(struct run *run)
{
	run->turn = run->turn + 1 >= run->flows ? 0 : run->turn + 1;
	return run->turn * 2654435761u;
}

INLINE int vary4(void *data, void *end, u32 scatter)
{
	struct ip4 *ip = data + 14;
	struct tcp *tcp = (void *)(ip + 1);
	if ((void *)(tcp + 1) > end)
		return 0;
	u32 source = ip->source ^ (scatter & 0xffffff00);
	if ((source & 0xff) == 0)
		source |= 1;
	u16 delta = delta32(ip->source, source);
	ip->source = source;
	ip->checksum = adjusted(ip->checksum, delta);
	tcp->checksum = adjusted(tcp->checksum, delta);
	return 1;
}

INLINE int vary6(void *data, void *end, u32 scatter, u32 turn)
{
	struct ip6 *ip = data + 14;
	struct tcp *tcp = (void *)(ip + 1);
	if ((void *)(tcp + 1) > end)
		return 0;
	ip->source[3] ^= scatter;
	tcp->source = turn | 1;
	return 1;
}

INLINE int restore(struct xdp_md *ctx, struct run *run)
{
	int more = (int)frame_length(ctx) - (int)run->length;
	if (more && (run->at_tail ? adjust_tail(ctx, -more) : adjust_head(ctx, more)))
		return 0;
	u8 *data = (void *)(long)ctx->data;
	void *end = (void *)(long)ctx->data_end;
	if ((void *)data + 64 > end)
		return 0;
	__builtin_memcpy(data, run->packet, 64);
	if (run->six || run->length >= 80) {
		if ((void *)data + 80 > end)
			return 0;
		__builtin_memcpy(data + 64, run->packet + 64, 16);
	}
	if (run->flows <= 1)
		return 1;
	u32 scatter = next_flow(run);
	return run->six ? vary6(data, end, scatter, run->turn) : vary4(data, end, scatter);
}

SEC("xdp") int repeat(struct xdp_md *ctx)
{
	struct run *run = the_run();
	if (run && restore(ctx, run))
		tail_call(ctx, &tested, 0);
	return XDP_ABORTED;
}

/* Sends the packet out of an interface, for runs with live frames. */
SEC("xdp") int generate(struct xdp_md *ctx)
{
	struct run *run = the_run();
	if (!run || !restore(ctx, run))
		return XDP_ABORTED;
	return redirect(run->interface, 0);
}

/* What the harness itself costs; also what a veth's peer must have for the other end to send at all. */
SEC("xdp") int nothing(struct xdp_md *ctx)
{
	(void)ctx;
	return XDP_TX;
}

SEC("xdp") int let_pass(struct xdp_md *ctx)
{
	(void)ctx;
	return XDP_PASS;
}

/* Where live frames end. */
SEC("xdp") int swallow(struct xdp_md *ctx)
{
	(void)ctx;
	u32 row = 0;
	u64 *count = map_lookup(&swallowed, &row);
	if (count)
		(*count)++;
	return XDP_DROP;
}

char licence[] SEC("license") = "Dual MIT/GPL";
