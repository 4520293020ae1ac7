// Every risk-scoring method of the SDK.

import assert from 'node:assert/strict';
import type Cloudflare from 'cloudflare';
import type { SinglePage } from 'cloudflare/pagination';
import type { IntegrationListResponse } from 'cloudflare/resources/zero-trust/risk-scoring/integrations/integrations';
import { calledInEveryWay, type Called } from './calls.js';
import { list, type Reader } from './reading.js';
import type { Fact } from './report.js';
import * as shapes from './shapes.js';
import { clientFor, type World } from './world.js';

const WITH_ALL = ' with all parameters';
let references = 0;
const VERIFY = 'user.tokens.verify';

export function methodFacts(world: World): Fact[] {
  // The user is reset last: the other facts are about a user at risk.
  const called = [...behaviorMethods(world), ...integrationMethods(world), ...userMethods(world)];
  return [
    ...called.flatMap(({ facts }) => facts),
    {
      name: 'the table holds every method of the SDK',
      holds: async () => {
        const names = new Set(called.map(({ method }) => method.replace(WITH_ALL, '')));
        const published = methodsOf(clientFor(world).zeroTrust.riskScoring, '');
        assert.deepEqual([...names].sort(), [...published, VERIFY].sort());
      },
    },
  ];
}

function behaviorMethods(world: World): Called[] {
  const account = { account_id: world.account_id };
  const change = { imp_travel: { enabled: true, risk_level: 'low' } } as const;
  return [
    calledInEveryWay(world, {
      name: 'behaviours.get',
      call: (client) => client.zeroTrust.riskScoring.behaviours.get(account),
      read: shapes.behaviors,
      agrees: ({ behaviors }) => assert.ok('imp_travel' in behaviors),
    }),
    calledInEveryWay(world, {
      name: 'behaviours.update',
      call: (client) => client.zeroTrust.riskScoring.behaviours.update({ ...account, behaviors: change }),
      read: shapes.changedBehaviors,
      agrees: ({ behaviors }) => assert.equal(behaviors['imp_travel']?.risk_level, 'low'),
    }),
  ];
}

function integrationMethods(world: World): Called[] {
  return [...integrationReads(world), ...integrationWrites(world)];
}

function integrationReads(world: World): Called[] {
  const account = { account_id: world.account_id };
  const agrees = (value: object): void => assert.deepEqual(value, world.integration);
  return [
    calledInEveryWay(world, {
      name: 'integrations.list',
      call: (client) => client.zeroTrust.riskScoring.integrations.list(account),
      read: integrationPage,
      agrees: (page) => agrees(page.result[0] ?? {}),
    }),
    calledInEveryWay(world, {
      name: 'integrations.get',
      call: (client) => client.zeroTrust.riskScoring.integrations.get(world.integration.id, account),
      read: shapes.integration,
      agrees,
    }),
    calledInEveryWay(world, {
      name: 'integrations.references.get',
      call: (client) =>
        client.zeroTrust.riskScoring.integrations.references.get(world.integration.reference_id, account),
      read: shapes.integration,
      agrees,
    }),
  ];
}

function integrationWrites(world: World): Called[] {
  const account = { account_id: world.account_id };
  const target = { integration_type: 'Okta', tenant_url: world.tenant_url } as const;
  const change = { active: false, tenant_url: 'https://example.com' };
  const read = shapes.integration;
  const id = async (client: Cloudflare): Promise<string> =>
    (await client.zeroTrust.riskScoring.integrations.create({ ...account, ...target })).id;
  return [
    calledInEveryWay(world, {
      name: 'integrations.create',
      call: (client) => client.zeroTrust.riskScoring.integrations.create({ ...account, ...target }),
      read,
      agrees: (value) => assert.equal(value.tenant_url, world.tenant_url),
    }),
    calledInEveryWay(world, {
      name: `integrations.create${WITH_ALL}`,
      // Each call is a first try, so each needs a reference of its own (contract 8).
      call: (client) =>
        client.zeroTrust.riskScoring.integrations.create({ ...account, ...target, reference_id: `reference_id ${++references}` }),
      read,
      agrees: (value) => assert.match(value.reference_id, /^reference_id [1-9][0-9]*$/),
    }),
    calledInEveryWay(world, {
      name: 'integrations.update',
      call: (client, id) => client.zeroTrust.riskScoring.integrations.update(id, { ...account, ...change }),
      read,
      agrees: (value) => assert.deepEqual(value, { ...value, ...change }),
      id,
    }),
    calledInEveryWay(world, {
      name: `integrations.update${WITH_ALL}`,
      call: (client, id) =>
        client.zeroTrust.riskScoring.integrations.update(id, { ...account, ...change, reference_id: `of ${id}` }),
      read,
      agrees: (value) => assert.deepEqual(value, { ...value, ...change, reference_id: `of ${value.id}` }),
      id,
    }),
    calledInEveryWay(world, {
      name: 'integrations.delete',
      call: (client, id) => client.zeroTrust.riskScoring.integrations.delete(id, account),
      read: shapes.nothing,
      id,
    }),
  ];
}

function userMethods(world: World): Called[] {
  const account = { account_id: world.account_id };
  return [
    calledInEveryWay(world, {
      name: 'get',
      call: (client) => client.zeroTrust.riskScoring.get(world.user_id, account),
      read: shapes.user,
      agrees: ({ email, risk_level }) => assert.deepEqual([email, risk_level], [world.email, 'high']),
    }),
    calledInEveryWay(world, {
      name: 'summary.get',
      call: (client) => client.zeroTrust.riskScoring.summary.get(account),
      read: shapes.summary,
      agrees: ({ users }) => assert.deepEqual(users.map((user) => user.user_id), [world.user_id]),
    }),
    calledInEveryWay(world, {
      name: VERIFY,
      call: (client) => client.user.tokens.verify(),
      read: shapes.verification,
      agrees: ({ status }) => assert.equal(status, 'active'),
    }),
    calledInEveryWay(world, {
      name: 'reset',
      call: (client) => client.zeroTrust.riskScoring.reset(world.user_id, account),
      read: shapes.nothing,
    }),
  ];
}

const integrationPage: Reader<SinglePage<IntegrationListResponse>> = (value, at) => {
  const page = value as SinglePage<IntegrationListResponse>;
  list(shapes.integration)(page.result, `${at}.result`);
  return page;
};

function methodsOf(resource: object, path: string): string[] {
  const children = Object.entries(resource).filter(([name]) => !name.startsWith('_'));
  const below = children.flatMap(([name, child]) => methodsOf(child as object, `${path}${name}.`));
  return functionsOf(resource).map((name) => path + name).concat(below);
}

function functionsOf(resource: object): string[] {
  const prototype = Object.getPrototypeOf(resource) as object;
  if (prototype === Object.prototype) return [];
  return Object.getOwnPropertyNames(prototype)
    .filter((name) => name !== 'constructor')
    .concat(functionsOf(prototype));
}
