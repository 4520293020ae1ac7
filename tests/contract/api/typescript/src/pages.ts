// Lists, as the SDK iterates over them.

import assert from 'node:assert/strict';
import { createClient } from 'cloudflare/tree-shakable';
import { BaseIntegrations } from 'cloudflare/resources/zero-trust/risk-scoring/integrations/integrations';
import type { Fact } from './report.js';
import { clientFor, type World } from './world.js';

export function pageFacts(world: World): Fact[] {
  const account = { account_id: world.account_id };
  const list = () => clientFor(world).zeroTrust.riskScoring.integrations.list(account);
  return [
    {
      name: 'integrations.list: for await',
      holds: async () => {
        const first = [];
        for await (const integration of list()) first.push(integration.id);
        assert.equal(first[0], world.integration.id);
        assert.equal(new Set(first).size, first.length);
      },
    },
    {
      name: 'integrations.list: one page and no next one',
      holds: async () => {
        const page = await list();
        assert.deepEqual(page.getPaginatedItems(), page.result);
        assert.equal(page.hasNextPage(), false);
        const pages = [];
        for await (const one of page.iterPages()) pages.push(one);
        assert.deepEqual(pages, [page]);
      },
    },
    {
      name: 'integrations.list: by the tree-shakable client',
      holds: async () => {
        const options = { apiToken: world.token, baseURL: world.base_url, maxRetries: 0 };
        const client = createClient({ ...options, resources: [BaseIntegrations] });
        const page = await client.zeroTrust.riskScoring.integrations.list(account);
        assert.deepEqual(page.result[0], world.integration);
      },
    },
  ];
}
