/* What user space and the program share. src/abi.rs mirrors every type here, and a test compares the two
 * through BTF: change both, and raise abi::VERSION. */
#pragma once
#include "kernel.h"

/* Prime, so that every permutation step of Maglev visits every slot. */
#define RING_SLOTS 65537
/* A server's number fits the 12 bits it has in a ring's word; the last one means "no server". */
#define SERVERS 4096
#define NO_SERVER 4095

/* A ring's word: the server new flows get, the one older flows still have, whether the two may differ. */
#define WORD_CURRENT(word) ((word)&0xfff)
#define WORD_PREVIOUS(word) ((word) >> 12 & 0xfff)
#define WORD_CHANGED 0x80000000u

/* How a VIP's packets reach its servers. */
enum mode {
	MODE_LOCAL,  /* the kernel's own stack: a proxied listener */
	MODE_DSR,    /* only the MAC addresses change; the server holds the VIP and answers by itself */
	MODE_NAT,    /* destination rewritten; replies come back through here */
	MODE_TUNNEL, /* wrapped in IP; the server unwraps, holds the VIP and answers by itself */
};

/* What decides the ring's slot. */
enum hash_on {
	HASH_ON_FLOW,   /* addresses and ports */
	HASH_ON_SOURCE, /* addresses only: all of a client's flows reach one server */
};

/* What is done with lawful packets that cannot be balanced (fragments, IP options). */
enum policy {
	POLICY_PASS, /* the kernel's stack sees them */
	POLICY_DROP,
};

/* Why a packet got its verdict. One counter each. */
enum reason {
	/* handed to the kernel */
	REASON_NOT_IP,		/* ARP, double VLAN tags and everything else that is not IPv4 or IPv6 */
	REASON_OTHER_PROTOCOL,	/* neither TCP nor UDP nor an ICMP error about a balanced flow */
	REASON_NO_VIP,		/* nobody asked for this destination to be balanced */
	REASON_LOCAL,		/* a proxied listener's */
	REASON_FRAGMENT_PASSED,
	REASON_OPTIONS_PASSED,
	REASON_TTL,		/* would expire here: the kernel says so to the sender */
	/* sent on */
	REASON_DSR,
	REASON_NAT,
	REASON_NAT_REPLY,
	REASON_TUNNEL,
	REASON_TOO_BIG,		/* answered with ICMP: it would not fit the tunnel */
	REASON_SYN_COOKIE,	/* a SYN answered in the listener's place */
	REASON_CHALLENGE,	/* a SYN answered so that its source has to show that it exists */
	/* dropped */
	REASON_TRUNCATED,	/* a header or the stated length runs past the frame */
	REASON_BAD_HEADER,	/* IP version or header length that cannot be */
	REASON_BAD_LENGTH,	/* lengths that contradict each other */
	REASON_BAD_FLAGS,	/* TCP flags no stack sends: null, Xmas, SYN+FIN, ... */
	REASON_BAD_PORT,	/* port 0 */
	REASON_MARTIAN,		/* a source nobody can have */
	REASON_FRAGMENT_DROPPED,
	REASON_OPTIONS_DROPPED,
	REASON_NO_SERVER,	/* the VIP has no live server */
	REASON_FLOW_RATE,	/* more new NAT flows than the table takes in a second */
	REASON_NAT_CLASH,	/* the server already has this client address and port, through another VIP */
	REASON_NO_ROOM,		/* the frame could not be resized */
	/* dropped by the shield */
	REASON_BLOCKED,		/* the source is on the block list */
	REASON_NOT_ALLOWED,	/* protocol, port or source is not among what the context allows */
	REASON_SOURCE_PACKETS,	/* more packets than a source may send */
	REASON_SOURCE_SYN,	/* more openings than a source may send */
	REASON_SOURCE_UDP,	/* more UDP than a source may send */
	REASON_SOURCE_ICMP,	/* more ICMP than a source may send */
	REASON_SOURCE_FULL,	/* the source has as many connections as it may */
	REASON_UDP_RATE,	/* more UDP than the context takes */
	REASON_ICMP_RATE,	/* more ICMP than the context takes */
	REASON_NO_FLOW,		/* of no known connection, and more of those than the kernel should answer */
	REASON_PROVEN,		/* the answer to a challenge: it did its work */
	REASON_BAD_CHECKSUM,	/* a SYN whose TCP checksum is wrong */
	REASONS,
};

struct vip4_key {
	u32 address;
	u16 port;     /* network order */
	u16 protocol;
};

struct vip6_key {
	u32 address[4];
	u16 port;     /* network order */
	u16 protocol;
};

struct vip {
	u32 id;	      /* row in vip_traffic */
	u32 ring;     /* row in rings; changing it switches the generation */
	u8 mode;      /* enum mode */
	u8 hash_on;   /* enum hash_on */
	u16 reserved; /* the shield's flags */
};

/* One cache line. */
struct server {
	u32 address[4];	    /* NAT: the new destination. Tunnel: the outer one. IPv4 is in the first word. */
	u32 source[4];	    /* tunnel: the outer source */
	u32 macs[3];	    /* next hop's address, then ours, as on the wire */
	u32 interface;	    /* where it leaves; 0: where it came in */
	u32 source_spread;  /* tunnel over IPv4: bits of the source that vary by flow, for the server's queues */
	u16 port;	    /* NAT: network order */
	u16 packet_max;	    /* longest IP packet that fits, wrapping not included */
	u16 epoch;	    /* raised when the number gets a new owner: table entries of the old one are void */
	u8 family;	    /* tunnel: of the outer header, 4 or 6 */
	u8 live;	    /* 0: takes no packet at all */
};

struct ring {
	u32 word[RING_SLOTS];
};

/* Key of the flow tables: the packet as the client sent it, or for NAT replies as the server sent it. */
struct flow4 {
	u32 source, destination;
	u32 ports;    /* source | destination << 16, each in network order */
	u32 protocol;
};

struct flow6 {
	u32 source[4], destination[4];
	u32 ports;
	u32 protocol;
};

/* Which server a flow of a changed slot has (DSR, tunnel). */
struct held {
	u16 server;
	u16 epoch;
	u32 reserved;
};

enum direction {
	TO_SERVER,
	TO_CLIENT,
};

/* How a NAT flow's packets are rewritten. Deltas are added to the checksums. */
struct nat4 {
	u32 address;	  /* to the server: its address; to the client: the VIP */
	u16 port;	  /* likewise */
	u16 header_delta; /* for the IP header's checksum, its TTL's fall by one included */
	u16 body_delta;	  /* for the TCP or UDP checksum */
	u16 server;
	u16 epoch;
	u8 direction;	  /* enum direction */
	u8 closing;	  /* a FIN or RST was seen */
	u32 macs[3];	  /* to the client: as the client's packets came */
	u32 interface;	  /* likewise */
};

struct nat6 {
	u32 address[4];
	u16 port;
	u16 header_delta; /* unused: IPv6 headers have no checksum */
	u16 body_delta;
	u16 server;
	u16 epoch;
	u8 direction;
	u8 closing;
	u32 macs[3];
	u32 interface;
};

/* By a hash of (address, port): was a NAT flow ever opened to such a server? Whole bytes, so that CPUs do not undo
 * each other's writes. A wrong yes costs one lookup in a big table, a no spares it. */
struct repliers {
	u8 seen[65536];
};

/* Of a VIP or of a server. */
struct traffic {
	u64 packets, bytes;		/* towards the servers; IP bytes */
	u64 reply_packets, reply_bytes; /* NAT only: other replies do not pass here */
	u64 opened;			/* flows begun: SYNs, and UDP flows entered in a table */
};

struct settings {
	u32 new_flows_per_second; /* most table inserts a second and CPU; 0: no limit */
	u8 fragments;		  /* enum policy */
	u8 options;		  /* enum policy; for TCP and UDP only: IGMP needs its Router Alert */
	u16 reserved;
};

/* How many inserts this CPU did in this second. */
struct budget {
	u64 second; /* when it began, ns */
	u64 used;
};
