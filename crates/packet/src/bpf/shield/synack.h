/* SYNs answered in place: the frame turns round as a SYN-ACK. */
#pragma once
#include "../checksum.h"
#include "lists.h"

/* What a SYN's options say (RFC 9293, 7323, 2018). */
struct syn {
	u32 sequence;	 /* network order */
	u32 mss;	 /* network order in its upper half */
	u32 timestamp;	 /* network order */
	u8 timestamps;	 /* the option is there */
	u8 window_scale; /* 15: none */
	u8 sack;
};

/* enum: what `answer` functions give */
#define ANSWERED 0
#define NOT_ANSWERED 1
#define WRONG_CHECKSUM 2

#define OPTIONS_MAX 40
#define SYN_ACK_FLAGS ((u32)(TCP_SYN | TCP_ACK) << 8)
#define SYN_ACK_WINDOW 0x80 /* 32768, in network order */
/* Frames may keep so many bytes after the answer: the IP header says how long it is. */
#define SLACK 192

/* The layout of Linux, option by option: MSS, SACK permitted, timestamps, NOP, window scale. */
INLINE int usual_options(const u32 *option, struct syn *syn)
{
	if ((option[0] & 0xffff) != 0x0402 || option[1] != 0x0a080204 || (option[4] & 0xffffff) != 0x030301)
		return 0;
	syn->mss = option[0];
	syn->timestamp = option[2];
	syn->timestamps = 1;
	syn->sack = 1;
	syn->window_scale = option[4] >> 24;
	return 1;
}

/* Where in `options` each kind stands, 0xff for nowhere. `start` is 0, but not as far as the verifier knows: every turn
 * of the loop then looks like any other to it, and it looks at one. */
INLINE void locate(const u8 *options, u32 length, u32 start, u8 *where)
{
	u32 at = start;
#pragma clang loop unroll(disable)
	for (int i = 0; i < 20; i++) {
		at &= 63;
		if (at >= length || at >= OPTIONS_MAX)
			return;
		u8 kind = options[at], size = 1;
		if (!kind)
			return;
		if (kind != 1) {
			size = options[at + 1];
			where[kind < 16 ? kind : 0] = at;
		}
		if (!size)
			return;
		at += size;
		if (at > OPTIONS_MAX)
			return;
	}
}

/* Any layout. */
INLINE void any_options(struct scratch *own, u32 length, u32 start, struct syn *syn)
{
	const u8 *options = (void *)own->options;
	u8 *where = (void *)own->where;
	own->where[0] = own->where[1] = ~0ull;
	locate(options, length, start, where);
	u32 mss = where[2], scale = where[3], sack = where[4], stamp = where[8];
	if (mss < OPTIONS_MAX && options[mss + 1] == 4 && mss + 4 <= length)
		syn->mss = (u32)options[mss + 2] << 16 | (u32)options[mss + 3] << 24;
	if (scale < OPTIONS_MAX && options[scale + 1] == 3 && scale + 3 <= length)
		syn->window_scale = options[scale + 2];
	if (sack < OPTIONS_MAX && options[sack + 1] == 2 && sack + 2 <= length)
		syn->sack = 1;
	if (stamp >= OPTIONS_MAX || options[stamp + 1] != 10 || stamp + 10 > length)
		return;
	const u8 *at = options + stamp;
	syn->timestamp = at[2] | (u32)at[3] << 8 | (u32)at[4] << 16 | (u32)at[5] << 24;
	syn->timestamps = 1;
}

/* Reads the options, and checks the checksum where there is nothing else to sum than the header. */
INLINE int read_syn(struct xdp_md *ctx, struct tcp *tcp, u32 offset, u32 room, u64 pseudo,
		    struct shield_settings *knobs, struct scratch *own, struct syn *syn)
{
	u32 header = (tcp->words >> 4) * 4, *words = (void *)tcp;
	u64 sum = pseudo + (u64)words[0] + words[1] + words[2] + words[3] + words[4];
	syn->sequence = tcp->sequence;
	syn->mss = 0x18020000; /* 536: RFC 9293, 3.7.1 */
	syn->window_scale = 15;
	if (header == 40 && (void *)(words + 10) <= frame_end(ctx) && usual_options(words + 5, syn)) {
		sum += (u64)words[5] + words[6] + words[7] + words[8] + words[9];
	} else if (header > sizeof(*tcp)) {
		u32 length = header - sizeof(*tcp);
#pragma unroll
		for (int i = 0; i < 6; i++)
			own->options[i] = 0;
		if (length > OPTIONS_MAX || copy_out(ctx, offset, own->options, length))
			return NOT_ANSWERED;
#pragma unroll
		for (int i = 0; i < OPTIONS_MAX / 8; i++)
			sum += (u32)own->options[i] + (own->options[i] >> 32);
		any_options(own, length, knobs->reserved, syn);
	}
	if (syn->window_scale > 14 && syn->window_scale != 15)
		syn->window_scale = 14; /* RFC 7323, 2.3 */
	if (room == header && fold64(sum) != 0xffff)
		return WRONG_CHECKSUM;
	return ANSWERED;
}

/* Only what cookies are made of: ports, sequence number, MSS. */
INLINE void bare_syn(const struct syn *syn, u32 ports, u32 *words)
{
	words[0] = ports;
	words[1] = syn->sequence;
	words[2] = 0;
	words[3] = 0x60 | (u32)TCP_SYN << 8;
	words[4] = 0;
	words[5] = (syn->mss & 0xffff0000) | 0x0402;
}

/* Milliseconds as the kernel counts them, with what it wants to find in them again (net/ipv4/syncookies.c). Never
 * ahead of its own, or the client would take later ones for old. */
INLINE u32 timestamp_cookie(const struct syn *syn)
{
	u32 now = coarse_nanoseconds() / 1000000, options = syn->window_scale | (u32)syn->sack << 4;
	u32 stamp = (now & ~63u) | options;
	return swap32(stamp > now ? stamp - 64 : stamp);
}

/* Writes what follows the ports; gives the sum of it. */
INLINE u64 write_cookie(u32 *words, const struct syn *syn, struct shield_settings *knobs, u32 cookie, u32 mss, int options)
{
	words[1] = swap32(cookie);
	words[2] = swap32(swap32(syn->sequence) + 1);
	words[3] = (options ? 0xa0 : 0x60) | SYN_ACK_FLAGS | SYN_ACK_WINDOW << 16;
	words[4] = 0;
	words[5] = 0x0402 | (u32)swap16(mss) << 16;
	u64 sum = (u64)words[1] + words[2] + words[3] + words[5];
	if (!options)
		return sum;
	words[6] = (syn->sack ? 0x0204 : 0x0101) | 0x0a080000;
	words[7] = timestamp_cookie(syn);
	words[8] = syn->timestamp;
	words[9] = syn->window_scale == 15 ? 0x01010101 : 0x030301 | (u32)knobs->window_scale << 24;
	return sum + words[6] + words[7] + words[8] + words[9];
}

INLINE void swap_macs(struct ethernet *ethernet)
{
	u16 kept[3] = {ethernet->destination[0], ethernet->destination[1], ethernet->destination[2]};
#pragma unroll
	for (int i = 0; i < 3; i++) {
		ethernet->destination[i] = ethernet->source[i];
		ethernet->source[i] = kept[i];
	}
}

/* Makes the frame as long as the answer needs, or not much longer. */
INLINE int fit(struct xdp_md *ctx, u32 needed)
{
	s64 there = frame_end(ctx) - frame_start(ctx);
	KEEP(there);
	if (likely(there >= needed && there <= (s64)needed + SLACK))
		return 1;
	return !adjust_tail(ctx, (s64)needed - there);
}

/* The header is turned round; gives what it adds to the TCP checksum. */
INLINE u64 turn_ip4(struct ip4 *ip, u32 length)
{
	u32 source = ip->source, destination = ip->destination;
	ip->tos = 0;
	ip->length = swap16(sizeof(*ip) + length);
	ip->id = 0;
	ip->fragment = FRAGMENT_DONT;
	ip->ttl = 64;
	ip->source = destination;
	ip->destination = source;
	u64 addresses = (u64)source + destination;
	ip->checksum = ~fold64(0x45 + (u64)ip->length + FRAGMENT_DONT + (64 | PROTOCOL_TCP << 8) + addresses);
	return addresses + swap16(PROTOCOL_TCP) + swap16(length);
}

INLINE u64 sum_addresses6(const struct ip6 *ip)
{
	u64 sum = 0;
#pragma unroll
	for (int i = 0; i < 4; i++)
		sum += (u64)ip->source[i] + ip->destination[i];
	return sum;
}

INLINE u64 turn_ip6(struct ip6 *ip, u32 length)
{
	u32 source[4] WHOLE_WORDS;
	copy_address(source, ip->source);
	ip->version_class_label = 0x60;
	ip->payload_length = swap16(length);
	ip->hop_limit = 64;
	copy_address(ip->source, ip->destination);
	copy_address(ip->destination, source);
	return sum_addresses6(ip) + swap16(PROTOCOL_TCP) + swap16(length);
}

INLINE void turn_ports(struct tcp *tcp)
{
	u32 ports = *(u32 *)tcp;
	*(u32 *)tcp = ports << 16 | ports >> 16;
}

/* A SYN cookie in place of the listener. `offset` is where the IP header begins. */
APART int answer_cookie4(struct xdp_md *ctx, u32 offset)
{
	struct shield_settings *knobs = shield_knobs();
	struct ip4 *ip = frame_start(ctx) + offset;
	struct tcp *tcp = (void *)(ip + 1);
	struct scratch *own = scratch();
	if (!knobs || !own || (void *)(tcp + 1) > frame_end(ctx))
		return NOT_ANSWERED;
	struct syn syn = {};
	u32 room = swap16(ip->length) - sizeof(*ip), ports = *(u32 *)tcp;
	u64 pseudo = (u64)ip->source + ip->destination + swap16(PROTOCOL_TCP) + swap16(room);
	int read = read_syn(ctx, tcp, offset + sizeof(*ip) + sizeof(*tcp), room, pseudo, knobs, own, &syn);
	if (read != ANSWERED)
		return read;
	bare_syn(&syn, ports, own->bare);
	s64 cookie = make_cookie4(ip, (void *)own->bare, sizeof(own->bare));
	int options = syn.timestamps && knobs->options;
	u32 length = options ? 40 : 24;
	if (cookie < 0 || !fit(ctx, offset + sizeof(*ip) + length))
		return NOT_ANSWERED;
	struct ethernet *ethernet = frame_start(ctx);
	ip = (void *)ethernet + offset;
	tcp = (void *)(ip + 1);
	if ((void *)(tcp + 1) + (options ? 20 : 4) > frame_end(ctx))
		return NOT_ANSWERED;
	u64 sum = turn_ip4(ip, length) + ports;
	sum += write_cookie((void *)tcp, &syn, knobs, cookie, knobs->mss4, options);
	turn_ports(tcp);
	tcp->checksum = ~fold64(sum);
	swap_macs(ethernet);
	return ANSWERED;
}

APART int answer_cookie6(struct xdp_md *ctx, u32 offset)
{
	struct shield_settings *knobs = shield_knobs();
	struct ip6 *ip = frame_start(ctx) + offset;
	struct tcp *tcp = (void *)(ip + 1);
	struct scratch *own = scratch();
	if (!knobs || !own || (void *)(tcp + 1) > frame_end(ctx))
		return NOT_ANSWERED;
	struct syn syn = {};
	u32 room = swap16(ip->payload_length), ports = *(u32 *)tcp;
	u64 pseudo = sum_addresses6(ip) + swap16(PROTOCOL_TCP) + swap16(room);
	int read = read_syn(ctx, tcp, offset + sizeof(*ip) + sizeof(*tcp), room, pseudo, knobs, own, &syn);
	if (read != ANSWERED)
		return read;
	bare_syn(&syn, ports, own->bare);
	s64 cookie = make_cookie6(ip, (void *)own->bare, sizeof(own->bare));
	int options = syn.timestamps && knobs->options;
	u32 length = options ? 40 : 24;
	if (cookie < 0 || !fit(ctx, offset + sizeof(*ip) + length))
		return NOT_ANSWERED;
	struct ethernet *ethernet = frame_start(ctx);
	ip = (void *)ethernet + offset;
	tcp = (void *)(ip + 1);
	if ((void *)(tcp + 1) + (options ? 20 : 4) > frame_end(ctx))
		return NOT_ANSWERED;
	u64 sum = turn_ip6(ip, length) + ports;
	sum += write_cookie((void *)tcp, &syn, knobs, cookie, knobs->mss6, options);
	turn_ports(tcp);
	tcp->checksum = ~fold64(sum);
	swap_macs(ethernet);
	return ANSWERED;
}

/* A SYN-ACK for a SYN nobody sent: who did send one answers with a RST that repeats our number (RFC 9293, 3.10.7.3). */
INLINE u64 write_challenge(u32 *words, u32 number)
{
	words[1] = 0;
	words[2] = number;
	words[3] = 0x50 | SYN_ACK_FLAGS | SYN_ACK_WINDOW << 16;
	words[4] = 0;
	return (u64)number + words[3];
}

APART int answer_challenge4(struct xdp_md *ctx, u32 offset, u32 number)
{
	if (!fit(ctx, offset + sizeof(struct ip4) + sizeof(struct tcp)))
		return NOT_ANSWERED;
	struct ethernet *ethernet = frame_start(ctx);
	struct ip4 *ip = (void *)ethernet + offset;
	struct tcp *tcp = (void *)(ip + 1);
	if ((void *)(tcp + 1) > frame_end(ctx))
		return NOT_ANSWERED;
	u64 sum = turn_ip4(ip, sizeof(*tcp)) + *(u32 *)tcp;
	turn_ports(tcp);
	tcp->checksum = 0;
	sum += write_challenge((void *)tcp, number);
	tcp->checksum = ~fold64(sum);
	swap_macs(ethernet);
	return ANSWERED;
}

APART int answer_challenge6(struct xdp_md *ctx, u32 offset, u32 number)
{
	if (!fit(ctx, offset + sizeof(struct ip6) + sizeof(struct tcp)))
		return NOT_ANSWERED;
	struct ethernet *ethernet = frame_start(ctx);
	struct ip6 *ip = (void *)ethernet + offset;
	struct tcp *tcp = (void *)(ip + 1);
	if ((void *)(tcp + 1) > frame_end(ctx))
		return NOT_ANSWERED;
	u64 sum = turn_ip6(ip, sizeof(*tcp)) + *(u32 *)tcp;
	turn_ports(tcp);
	sum += write_challenge((void *)tcp, number);
	tcp->checksum = ~fold64(sum);
	swap_macs(ethernet);
	return ANSWERED;
}
