/* What user space and the shield share. src/shield/abi.rs mirrors every type here, under the same rules as
 * ../abi.h. Times are nanoseconds of the monotonic clock. */
#pragma once
#include "../kernel.h"

/* Row of the destinations that no context names: only validity and lists are looked at. */
#define CONTEXT_NONE 0

enum tracking {
	TRACKING_STATELESS, /* replies do not pass here: every packet is judged alone */
	TRACKING_STATEFUL,  /* packets of no known connection do not go on */
};

/* When SYNs have to prove their source. */
enum proof {
	PROOF_OFF,
	PROOF_ABOVE, /* above a rate, and for some seconds after it */
	PROOF_ALWAYS,
};

/* What a list says of a source. */
enum listed {
	LISTED_NOT,
	LISTED_BLOCK,
	LISTED_ALLOW, /* no budget and no proof is asked of it */
};

/* Who may use a port. */
enum gate {
	GATE_SHUT,
	GATE_OPEN,
	GATE_BY_SOURCE,
};

/* A token bucket as one number: the time at which it will be full again. It takes one more while that is not
 * more than `depth` away. `gap` 0: no limit; PACE_NOTHING: not even one. */
#define PACE_NOTHING (~0ull)
struct pace {
	u64 gap;
	u64 depth;
};

/* What is done with packets for some destinations. */
struct context {
	struct pace source_packets, source_syn, source_udp, source_icmp; /* half of it a row of `sources` */
	struct pace all_udp, all_icmp, strays, insistent;		 /* a CPU's part */
	u64 proof_above;  /* SYNs a second */
	u32 proof_batch;  /* a CPU tells of its SYNs by so many */
	u8 tracking;	  /* enum tracking */
	u8 proof;	  /* enum proof */
	u8 gated;	  /* only what `gates` has goes on */
	u8 full;	  /* `full` may have its sources */
};

/* Key of the tries of destinations and lists. */
struct prefix4 {
	u32 bits;
	u32 address;
};

struct prefix6 {
	u32 bits;
	u32 address[4];
};

/* A port of a context; of ICMP: a type; of other protocols: 0. */
struct gate_key {
	u16 context;
	u16 port; /* network order */
	u32 protocol;
};

/* A source that may use such a port. */
struct gate_source {
	u32 bits; /* 64 more than the prefix */
	struct gate_key gate;
	u32 address[4]; /* IPv4 as ::ffff:a.b.c.d */
};

/* 512 bits about neighbours: the first half by the last part of the address, the second by its network. */
struct line {
	u64 bits[8];
};

/* When a source's buckets will be full again. Every source shares its row with some others. */
struct source {
	u64 packets, syn, udp, icmp;
};

/* A source in a context: an IPv4 address, or the network part of an IPv6 address. */
struct source_key {
	u64 source;
	u32 context;
	u32 reserved;
};

/* SYNs of a context, all CPUs together. */
struct pressure {
	u64 window;    /* when the second began */
	u64 count;     /* SYNs since */
	u64 hot_until; /* how long proof is asked for */
	u64 reserved[5];
};

/* A CPU's part of a context's budgets. */
struct spending {
	u64 udp, icmp, strays, insistent, syns;
};

/* By reason: packets of a context. */
struct tally {
	u64 by[40];
};

struct shield_settings {
	u64 keys[2][2];	  /* of challenges, by key_number's last bit */
	u64 seed;	  /* of hashes that only have to be hard to guess */
	u32 key_number;
	u32 lists;	  /* which lists have entries: LISTS_* */
	u16 mss4, mss6;	  /* what we say we can take */
	u8 window_scale;  /* what the kernel will choose */
	u8 options;	  /* the kernel takes options out of cookies' timestamps */
	u16 reserved;
};

#define LISTS_4 1      /* IPv4 prefixes that the filter knows */
#define LISTS_4_WIDE 2 /* IPv4 prefixes too wide for it */
#define LISTS_6 4
#define LISTS_6_WIDE 8

/* A packet that was picked for telling about. */
struct event {
	u32 reason;
	u32 weight;	/* how many it stands for; 0: told because it is among the first of its kind */
	u32 source[4];	/* IPv4 as ::ffff:a.b.c.d */
	u32 target[4];
	u32 ports;	/* source | destination << 16, each in network order */
	u16 context;
	u8 protocol;
	u8 flags;	/* TCP's */
	u32 length;
	u32 reserved;
};

/* What a CPU needs for one packet, and the stack has no room for. */
struct scratch {
	struct event event;
	u64 options[6]; /* of a SYN; an option that begins at the end fits */
	u64 where[2];	/* by kind: where it stands among them */
	u32 bare[6];	/* a TCP header with MSS */
};
