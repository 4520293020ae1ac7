// What is refused arrives as the SDK's error classes.

import assert from 'node:assert/strict';
import {
  APIError,
  AuthenticationError,
  BadRequestError,
  NotFoundError,
  PermissionDeniedError,
} from 'cloudflare';
import type Cloudflare from 'cloudflare';
import type { Fact } from './report.js';
import { clientFor, type World } from './world.js';

const UNKNOWN = '182bd5e5-6e1a-4fe4-a799-aa6d9a6ab26e';

type Call = (client: Cloudflare) => PromiseLike<unknown>;

interface Refusal {
  status: number;
  code: number;
  pointer: string;
}

export function failureFacts(world: World): Fact[] {
  return [...unknownIds(world), ...wrongBodies(world), ...credentials(world)];
}

function unknownIds(world: World): Fact[] {
  const account = { account_id: world.account_id };
  const calls: { [name: string]: Call } = {
    get: ({ zeroTrust }) => zeroTrust.riskScoring.get(UNKNOWN, account),
    reset: ({ zeroTrust }) => zeroTrust.riskScoring.reset(UNKNOWN, account),
    'integrations.get': ({ zeroTrust }) => zeroTrust.riskScoring.integrations.get(UNKNOWN, account),
    'integrations.update': ({ zeroTrust }) =>
      zeroTrust.riskScoring.integrations.update(UNKNOWN, { ...account, active: true, tenant_url: 'https://a.example' }),
    'integrations.delete': ({ zeroTrust }) => zeroTrust.riskScoring.integrations.delete(UNKNOWN, account),
    'integrations.references.get': ({ zeroTrust }) =>
      zeroTrust.riskScoring.integrations.references.get('unheard of', account),
  };
  return Object.entries(calls).map(([name, call]) => ({
    name: `NotFoundError: ${name}`,
    holds: () => refused(clientFor(world), call, NotFoundError, { status: 404, code: 1001, pointer: '' }),
  }));
}

function wrongBodies(world: World): Fact[] {
  const account = { account_id: world.account_id };
  const create: Call = ({ zeroTrust }) =>
    zeroTrust.riskScoring.integrations.create({
      ...account,
      integration_type: 'okta' as 'Okta', // what the types forbid, the service refuses too
      tenant_url: world.tenant_url,
    });
  const update: Call = ({ zeroTrust }) =>
    zeroTrust.riskScoring.integrations.update(world.integration.id, { ...account, active: true, tenant_url: 'no URL' });
  return [
    {
      name: 'BadRequestError: integration_type in lower case',
      holds: () =>
        refused(clientFor(world), create, BadRequestError, { status: 400, code: 1103, pointer: '/integration_type' }),
    },
    {
      name: 'BadRequestError: tenant_url that is none',
      holds: () =>
        refused(clientFor(world), update, BadRequestError, { status: 400, code: 1103, pointer: '/tenant_url' }),
    },
  ];
}

function credentials(world: World): Fact[] {
  const account = { account_id: world.account_id };
  const read: Call = ({ zeroTrust }) => zeroTrust.riskScoring.integrations.list(account);
  const remove: Call = ({ zeroTrust }) => zeroTrust.riskScoring.integrations.delete(world.integration.id, account);
  const forbidden = { status: 403, code: 10000, pointer: '' };
  return [
    {
      name: 'AuthenticationError: a token that nobody has',
      holds: () =>
        refused(clientFor(world, 'rr_unknown'), read, AuthenticationError, { status: 401, code: 10000, pointer: '' }),
    },
    {
      name: 'PermissionDeniedError: a token of another account',
      holds: () => refused(clientFor(world, world.token_of_another_account), read, PermissionDeniedError, forbidden),
    },
    {
      name: 'PermissionDeniedError: a token that only reads',
      holds: () => refused(clientFor(world, world.token_that_only_reads), remove, PermissionDeniedError, forbidden),
    },
    {
      name: 'BadRequestError: a token of impossible form',
      holds: () =>
        refused(clientFor(world, 'two words'), read, BadRequestError, { status: 400, code: 6003, pointer: '' }),
    },
  ];
}

async function refused(
  client: Cloudflare,
  call: Call,
  kind: new (...given: never[]) => APIError,
  { status, code, pointer }: Refusal,
): Promise<void> {
  const error = await Promise.resolve(call(client)).then(
    () => assert.fail('it was not refused'),
    (reason: unknown) => reason,
  );
  assert.ok(error instanceof kind, `it was refused with ${String(error)}`);
  assert.equal(error.status, status);
  const [first] = error.errors;
  assert.deepEqual([first?.code, first?.source?.pointer], [code, pointer]);
  assert.ok(first?.message);
  const page = await fetch(first.documentation_url ?? '');
  assert.equal(page.status, 200, 'documentation_url opens a page');
}
