/* The Internet checksum (RFC 1071) and its incremental update (RFC 1624, equation 3). Sums are of 16-bit
 * words as they lie in memory: the carry makes byte order irrelevant. */
#pragma once
#include "kernel.h"

INLINE u16 fold32(u32 sum)
{
	sum = (sum & 0xffff) + (sum >> 16);
	return (sum & 0xffff) + (sum >> 16);
}

INLINE u16 fold64(u64 sum)
{
	sum = (sum & 0xffffffff) + (sum >> 32);
	sum = (sum & 0xffffffff) + (sum >> 32);
	return fold32((u32)sum);
}

/* What replacing `from` by `to` adds to a sum. */
INLINE u16 delta32(u32 from, u32 to)
{
	return fold64((u64)(u32)~from + to);
}

INLINE u16 delta128(const u32 *from, const u32 *to)
{
	u64 sum = 0;
#pragma unroll
	for (int i = 0; i < 4; i++)
		sum += (u64)(u32)~from[i] + to[i];
	return fold64(sum);
}

INLINE u16 delta16(u16 from, u16 to, u16 before)
{
	return fold32((u32)(u16)~from + to + before);
}

INLINE u16 adjusted(u16 checksum, u16 delta)
{
	return ~fold32((u32)(u16)~checksum + delta);
}
