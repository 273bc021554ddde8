/* The program's tables. Sizes marked (loader) are set when the maps are made.
 * `keeps` is no part of a map: it keeps an enum in the BTF, for the test that compares it with Rust's. */
#pragma once
#include "abi.h"

/* (address, port, protocol) -> VIP */
struct {
	__uint(type, MAP_HASH);
	__type(key, struct vip4_key);
	__type(value, struct vip);
	__uint(max_entries, 1024);
	__type(keeps, enum mode);
} vips4 SEC(".maps");

struct {
	__uint(type, MAP_HASH);
	__type(key, struct vip6_key);
	__type(value, struct vip);
	__uint(max_entries, 1024);
	__type(keeps, enum hash_on);
} vips6 SEC(".maps");

/* Two generations a VIP (loader): the one in use is never written to. */
struct {
	__uint(type, MAP_ARRAY);
	__type(key, u32);
	__type(value, struct ring);
	__uint(max_entries, 128);
} rings SEC(".maps");

/* By server number. */
struct {
	__uint(type, MAP_ARRAY);
	__type(key, u32);
	__type(value, struct server);
	__uint(max_entries, SERVERS);
} servers SEC(".maps");

/* Flows of changed slots; the least recently used gives way (loader). */
struct {
	__uint(type, MAP_LRU_HASH);
	__type(key, struct flow4);
	__type(value, struct held);
	__uint(max_entries, 1000000);
} flows4 SEC(".maps");

struct {
	__uint(type, MAP_LRU_HASH);
	__type(key, struct flow6);
	__type(value, struct held);
	__uint(max_entries, 1000000);
} flows6 SEC(".maps");

/* NAT flows, two entries each, one a direction (loader). */
struct {
	__uint(type, MAP_LRU_HASH);
	__type(key, struct flow4);
	__type(value, struct nat4);
	__uint(max_entries, 1000000);
	__type(keeps, enum direction);
} nats4 SEC(".maps");

struct {
	__uint(type, MAP_LRU_HASH);
	__type(key, struct flow6);
	__type(value, struct nat6);
	__uint(max_entries, 1000000);
} nats6 SEC(".maps");

/* The one row of who may send NAT replies: keeps packets of nobody's flow away from the big tables. */
struct {
	__uint(type, MAP_ARRAY);
	__type(key, u32);
	__type(value, struct repliers);
	__uint(max_entries, 1);
} repliers SEC(".maps");

/* Packets by reason. */
struct {
	__uint(type, MAP_PERCPU_ARRAY);
	__type(key, u32);
	__type(value, u64);
	__uint(max_entries, REASONS);
	__type(keeps, enum reason);
} reasons SEC(".maps");

/* By VIP id. */
struct {
	__uint(type, MAP_PERCPU_ARRAY);
	__type(key, u32);
	__type(value, struct traffic);
	__uint(max_entries, 1024);
} vip_traffic SEC(".maps");

/* By server number. */
struct {
	__uint(type, MAP_PERCPU_ARRAY);
	__type(key, u32);
	__type(value, struct traffic);
	__uint(max_entries, SERVERS);
} server_traffic SEC(".maps");

/* The one row of knobs that may change while packets flow. */
struct {
	__uint(type, MAP_ARRAY);
	__type(key, u32);
	__type(value, struct settings);
	__uint(max_entries, 1);
	__type(keeps, enum policy);
} settings SEC(".maps");

/* The one row of this CPU's insert budget. */
struct {
	__uint(type, MAP_PERCPU_ARRAY);
	__type(key, u32);
	__type(value, struct budget);
	__uint(max_entries, 1);
} budgets SEC(".maps");

/* Who has a server number, as a hash of its name and address: for the next process, which adopts the numbers. */
struct {
	__uint(type, MAP_ARRAY);
	__type(key, u32);
	__type(value, u64);
	__uint(max_entries, SERVERS);
} owners SEC(".maps");
