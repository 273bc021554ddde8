/* SipHash-1-3 of whole words (Aumasson and Bernstein, 2012): short, keyed, and hard to guess. */
#pragma once
#include "../kernel.h"

struct sip {
	u64 a, b, c, d;
};

INLINE u64 turn(u64 word, int by)
{
	return word << by | word >> (64 - by);
}

INLINE void sip_round(struct sip *sip)
{
	sip->a += sip->b;
	sip->c += sip->d;
	sip->b = turn(sip->b, 13) ^ sip->a;
	sip->d = turn(sip->d, 16) ^ sip->c;
	sip->a = turn(sip->a, 32);
	sip->c += sip->b;
	sip->a += sip->d;
	sip->b = turn(sip->b, 17) ^ sip->c;
	sip->d = turn(sip->d, 21) ^ sip->a;
	sip->c = turn(sip->c, 32);
}

INLINE void sip_start(struct sip *sip, const u64 *key)
{
	sip->a = key[0] ^ 0x736f6d6570736575ull;
	sip->b = key[1] ^ 0x646f72616e646f6dull;
	sip->c = key[0] ^ 0x6c7967656e657261ull;
	sip->d = key[1] ^ 0x7465646279746573ull;
}

INLINE void sip_word(struct sip *sip, u64 word)
{
	sip->d ^= word;
	sip_round(sip);
	sip->a ^= word;
}

/* `bytes` is how many were hashed. */
INLINE u64 sip_end(struct sip *sip, u64 bytes)
{
	sip_word(sip, bytes << 56);
	sip->c ^= 0xff;
	sip_round(sip);
	sip_round(sip);
	sip_round(sip);
	return sip->a ^ sip->b ^ sip->c ^ sip->d;
}
