// What the test that runs this has prepared: an account with an integration and a user at risk.

import Cloudflare from 'cloudflare';

export interface World {
  base_url: string;
  account_id: string;
  token: string;
  token_that_only_reads: string;
  token_of_another_account: string;
  user_id: string;
  email: string;
  tenant_url: string;
  integration: { id: string; reference_id: string; [member: string]: unknown };
}

export function clientFor(world: World, token: string = world.token): Cloudflare {
  return new Cloudflare({ apiToken: token, baseURL: world.base_url, maxRetries: 0 });
}

export function clientByKey(world: World): Cloudflare {
  const credentials = { apiEmail: 'user@example.com', apiKey: world.token };
  return new Cloudflare({ ...credentials, baseURL: world.base_url, maxRetries: 0 });
}
