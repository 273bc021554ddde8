/* The few words of the kernel's BPF interface that we use: types, helpers by number, protocol headers.
 * Our own, so that a build needs clang and nothing else. All header fields are in network order. */
#pragma once

typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long long u64;
typedef signed long long s64;

#define SEC(name) __attribute__((section(name), used))
#define INLINE static __attribute__((always_inline)) inline
/* What is done seldom or needs much of the stack: a call of its own. */
#define APART static __attribute__((noinline))
#define likely(x) __builtin_expect(!!(x), 1)
#define unlikely(x) __builtin_expect(!!(x), 0)
/* Keeps the compiler from folding what was proven about a value into a form the verifier cannot follow. */
#define KEEP(value) asm volatile("" : "+r"(value))
/* Stack variables whose IPv6 addresses are copied by copy_address. */
#define WHOLE_WORDS __attribute__((aligned(8)))
#define swap16(x) __builtin_bswap16(x)
#define swap32(x) __builtin_bswap32(x)

/* A map's shape, as the loader reads it from BTF. */
#define __uint(name, value) int(*name)[value]
#define __type(name, value) typeof(value) *name

/* enum bpf_map_type */
#define MAP_HASH 1
#define MAP_ARRAY 2
#define MAP_PROG_ARRAY 3
#define MAP_PERCPU_ARRAY 6
#define MAP_LRU_HASH 9
#define MAP_LPM_TRIE 11
#define MAP_RINGBUF 27

/* flags of a map and of an update */
#define MAP_NO_PREALLOC 1
#define UPDATE_ANY 0

enum { XDP_ABORTED, XDP_DROP, XDP_PASS, XDP_TX, XDP_REDIRECT };

struct xdp_md {
	u32 data, data_end, data_meta, ingress_ifindex, rx_queue_index, egress_ifindex;
};

struct ip4;
struct ip6;
struct tcp;

/* struct bpf_sock */
struct socket {
	u32 interface, family, type, protocol, mark, priority, own_ip4, own_ip6[4], own_port;
	u16 peer_port, reserved;
	u32 peer_ip4, peer_ip6[4], state;
};

#define OWN_NAMESPACE (-1ull)
#define SOCKET_LISTENS 10 /* enum: TCP_LISTEN */
#define NO_WAKEUP 1	  /* of `tell`: the reader looks by itself */

static void *(*map_lookup)(const void *map, const void *key) = (void *)1;
static long (*map_update)(const void *map, const void *key, const void *value, u64 flags) = (void *)2;
static long (*tail_call)(void *ctx, const void *map, u32 index) = (void *)12;
static long (*redirect)(u32 interface, u64 flags) = (void *)23;
static s64 (*checksum_diff)(const void *from, u32 from_size, const void *to, u32 to_size, u32 seed) = (void *)28;
static long (*adjust_head)(struct xdp_md *ctx, int delta) = (void *)44;
static long (*adjust_tail)(struct xdp_md *ctx, int delta) = (void *)65;
static struct socket *(*find_udp)(void *ctx, const void *tuple, u32 size, u64 namespace, u64 flags) = (void *)85;
static long (*release_socket)(struct socket *socket) = (void *)86;
static struct socket *(*find_tcp)(void *ctx, const void *tuple, u32 size, u64 namespace, u64 flags) = (void *)99;
static long (*tell)(const void *ring, const void *data, u64 size, u64 flags) = (void *)130;
static u64 (*coarse_nanoseconds)(void) = (void *)160;
static u64 (*frame_length)(struct xdp_md *ctx) = (void *)188;
static long (*copy_out)(struct xdp_md *ctx, u32 offset, void *to, u32 size) = (void *)189;
static s64 (*make_cookie4)(const struct ip4 *ip, const struct tcp *tcp, u32 size) = (void *)204;
static s64 (*make_cookie6)(const struct ip6 *ip, const struct tcp *tcp, u32 size) = (void *)205;
static long (*check_cookie4)(const struct ip4 *ip, const struct tcp *tcp) = (void *)206;
static long (*check_cookie6)(const struct ip6 *ip, const struct tcp *tcp) = (void *)207;

struct ethernet {
	u16 destination[3], source[3], protocol;
};

struct vlan {
	u16 tag, protocol;
};

struct ip4 {
	u8 version_and_words, tos;
	u16 length, id, fragment;
	u8 ttl, protocol;
	u16 checksum;
	u32 source, destination;
};

struct ip6 {
	u32 version_class_label;
	u16 payload_length;
	u8 next_header, hop_limit;
	u32 source[4], destination[4];
};

struct tcp {
	u16 source, destination;
	u32 sequence, acknowledgement;
	u8 words, flags;
	u16 window, checksum, urgent;
};

struct udp {
	u16 source, destination, length, checksum;
};

struct icmp {
	u8 type, code;
	u16 checksum;
	u32 rest;
};

/* Half an IPv6 address, wherever it lies. */
typedef u64 __attribute__((may_alias)) half_address;

INLINE u64 half(const u32 *address, int which)
{
	return ((const half_address *)address)[which];
}

INLINE void copy_address(u32 *to, const u32 *from)
{
	((half_address *)to)[0] = half(from, 0);
	((half_address *)to)[1] = half(from, 1);
}

#define ETHERTYPE_IP4 0x0008
#define ETHERTYPE_IP6 0xdd86
#define ETHERTYPE_VLAN 0x0081

#define PROTOCOL_ICMP 1
#define PROTOCOL_IPIP 4
#define PROTOCOL_TCP 6
#define PROTOCOL_UDP 17
#define PROTOCOL_IP6 41
#define PROTOCOL_ICMP6 58
/* IPv6 extension headers */
#define PROTOCOL_HOP_BY_HOP 0
#define PROTOCOL_ROUTING 43
#define PROTOCOL_FRAGMENT 44
#define PROTOCOL_DESTINATION_OPTIONS 60

#define FRAGMENT_MORE_OR_OFFSET 0xff3f
#define FRAGMENT_DONT 0x0040

#define TCP_FIN 1
#define TCP_SYN 2
#define TCP_RST 4
#define TCP_ACK 16
#define TCP_KNOWN_FLAGS 0x3f
