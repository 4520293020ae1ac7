// usage: node build/verify.js FILE
//
// FILE holds a receiver's configuration and SETs as JSON; prints the header and the claims of each, or why it is not
// believed.

import { readFile } from 'node:fs/promises';
import { createLocalJWKSet, jwtVerify, type JSONWebKeySet } from 'jose';

interface Received {
  jwks: JSONWebKeySet;
  issuer: string;
  audience: string;
  tokens: string[];
}

const file = process.argv[2];
if (file === undefined) throw new Error('usage: node build/verify.js FILE');
const received = JSON.parse(await readFile(file, 'utf8')) as Received;
const keys = createLocalJWKSet(received.jwks);
const accepted = {
  issuer: received.issuer,
  audience: received.audience,
  typ: 'secevent+jwt',
  algorithms: ['RS256', 'ES256'],
};

async function verified(token: string): Promise<unknown> {
  try {
    const { protectedHeader, payload } = await jwtVerify(token, keys, accepted);
    return { header: protectedHeader, claims: payload };
  } catch (error) {
    return { refused: error instanceof Error ? error.message : String(error) };
  }
}

console.log(JSON.stringify(await Promise.all(received.tokens.map(verified))));
