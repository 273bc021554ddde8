/* The shield's tables. Sizes marked (loader) are set when the maps are made; `keeps` as in ../maps.h. */
#pragma once
#include "../maps.h"
#include "abi.h"

/* Slots of `sources` and of `retries`, and lines of `filter`: powers of two. */
#define SOURCES_BITS 18
#define RETRIES_BITS 18
#define FILTER_BITS 17

/* The one row of knobs. */
struct {
	__uint(type, MAP_ARRAY);
	__type(key, u32);
	__type(value, struct shield_settings);
	__uint(max_entries, 1);
	__type(keeps, enum listed);
} shield_settings SEC(".maps");

/* Destination -> row of `contexts`. */
struct {
	__uint(type, MAP_LPM_TRIE);
	__type(key, struct prefix4);
	__type(value, u32);
	__uint(max_entries, 4096);
	__uint(map_flags, MAP_NO_PREALLOC);
} targets4 SEC(".maps");

struct {
	__uint(type, MAP_LPM_TRIE);
	__type(key, struct prefix6);
	__type(value, u32);
	__uint(max_entries, 4096);
	__uint(map_flags, MAP_NO_PREALLOC);
} targets6 SEC(".maps");

/* By number (loader). */
struct {
	__uint(type, MAP_ARRAY);
	__type(key, u32);
	__type(value, struct context);
	__uint(max_entries, 1);
	__type(keeps, enum proof);
} contexts SEC(".maps");

/* Source -> enum listed; the longest prefix counts (loader). */
struct {
	__uint(type, MAP_LPM_TRIE);
	__type(key, struct prefix4);
	__type(value, u32);
	__uint(max_entries, 1);
	__uint(map_flags, MAP_NO_PREALLOC);
} lists4 SEC(".maps");

struct {
	__uint(type, MAP_LPM_TRIE);
	__type(key, struct prefix6);
	__type(value, u32);
	__uint(max_entries, 1);
	__uint(map_flags, MAP_NO_PREALLOC);
} lists6 SEC(".maps");

/* The few prefixes among them that are too wide for the filter. */
struct {
	__uint(type, MAP_LPM_TRIE);
	__type(key, struct prefix4);
	__type(value, u32);
	__uint(max_entries, 65536);
	__uint(map_flags, MAP_NO_PREALLOC);
} wides4 SEC(".maps");

struct {
	__uint(type, MAP_LPM_TRIE);
	__type(key, struct prefix6);
	__type(value, u32);
	__uint(max_entries, 65536);
	__uint(map_flags, MAP_NO_PREALLOC);
} wides6 SEC(".maps");

/* Which sources may be in the lists: most are not, and cost one cache line here (loader). */
struct {
	__uint(type, MAP_ARRAY);
	__type(key, u32);
	__type(value, struct line);
	__uint(max_entries, 1);
} filter SEC(".maps");

/* What contexts allow -> enum gate. */
struct {
	__uint(type, MAP_HASH);
	__type(key, struct gate_key);
	__type(value, u32);
	__uint(max_entries, 262144);
	__uint(map_flags, MAP_NO_PREALLOC);
	__type(keeps, enum gate);
} gates SEC(".maps");

struct {
	__uint(type, MAP_LPM_TRIE);
	__type(key, struct gate_source);
	__type(value, u32);
	__uint(max_entries, 65536);
	__uint(map_flags, MAP_NO_PREALLOC);
} gate_sources SEC(".maps");

/* Two halves, each by a hash of its own (loader). */
struct {
	__uint(type, MAP_ARRAY);
	__type(key, u32);
	__type(value, struct source);
	__uint(max_entries, 1);
} sources SEC(".maps");

/* Sources that have as many connections as they may: user space counts (loader). */
struct {
	__uint(type, MAP_LRU_HASH);
	__type(key, struct source_key);
	__type(value, u32);
	__uint(max_entries, 1);
} full SEC(".maps");

/* Sources that proved themselves -> when they were last seen opening (loader). */
struct {
	__uint(type, MAP_LRU_HASH);
	__type(key, u64);
	__type(value, u64);
	__uint(max_entries, 1);
} known SEC(".maps");

/* SYNs that were challenged, by a hash: who asks again and again gets in without (loader). */
struct {
	__uint(type, MAP_ARRAY);
	__type(key, u32);
	__type(value, u64);
	__uint(max_entries, 1);
} retries SEC(".maps");

/* When a listener last saw a SYN itself, by a hash of where it listens: without one it takes no cookies after two
 * minutes. */
struct {
	__uint(type, MAP_ARRAY);
	__type(key, u32);
	__type(value, u64);
	__uint(max_entries, 4096);
} warmth SEC(".maps");

/* By context (loader). */
struct {
	__uint(type, MAP_ARRAY);
	__type(key, u32);
	__type(value, struct pressure);
	__uint(max_entries, 1);
	__type(keeps, enum tracking);
} pressures SEC(".maps");

struct {
	__uint(type, MAP_PERCPU_ARRAY);
	__type(key, u32);
	__type(value, struct spending);
	__uint(max_entries, 1);
} spendings SEC(".maps");

struct {
	__uint(type, MAP_PERCPU_ARRAY);
	__type(key, u32);
	__type(value, struct tally);
	__uint(max_entries, 1);
} tallies SEC(".maps");

/* struct event; what does not fit is not told (loader). */
struct {
	__uint(type, MAP_RINGBUF);
	__uint(max_entries, 4096);
	__type(keeps, struct event);
} events SEC(".maps");

/* The one row of this CPU's scratch. */
struct {
	__uint(type, MAP_PERCPU_ARRAY);
	__type(key, u32);
	__type(value, struct scratch);
	__uint(max_entries, 1);
} scratches SEC(".maps");
