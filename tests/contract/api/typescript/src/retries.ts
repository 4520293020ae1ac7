// usage: node build/retries.js CALL[,CALL]… RETRIES BASE_URL TOKEN ACCOUNT_ID ID
// Makes the calls one after the other, with the SDK's own retries, and prints of each its result or the SDK's error.

import Cloudflare, { APIError } from 'cloudflare';

const [names, retries, baseURL, apiToken, account_id, id] = process.argv.slice(2);
if (!names || !retries || !baseURL || !apiToken || !account_id || !id) {
  throw new Error('usage: node build/retries.js CALL[,CALL]… RETRIES BASE_URL TOKEN ACCOUNT_ID ID');
}

const client = new Cloudflare({ apiToken, baseURL, maxRetries: Number(retries) });
const { riskScoring } = client.zeroTrust;
const account = { account_id };
const target = { integration_type: 'Okta', tenant_url: 'https://example.com' } as const;
const finding = { behavior: 'imp_travel', user: { email: 'retried@example.com' } };
const findings = `/accounts/${account_id}/zt_risk_scoring/findings`;

const calls: { [name: string]: () => PromiseLike<unknown> } = {
  list: async () => ({ result: (await riskScoring.integrations.list(account)).result }),
  create: () => riskScoring.integrations.create({ ...account, ...target, reference_id: 'once' }),
  create_without_reference: () => riskScoring.integrations.create({ ...account, ...target }),
  update: () => riskScoring.integrations.update(id, { ...account, active: false, tenant_url: 'https://new.example' }),
  delete: () => riskScoring.integrations.delete(id, account),
  reset: () => riskScoring.reset(id, account),
  set_behaviors: () =>
    riskScoring.behaviours.update({ ...account, behaviors: { imp_travel: { enabled: true, risk_level: 'low' } } }),
  record_finding: () => client.post(findings, { body: { ...finding, id: 'once' } }),
  record_finding_without_id: () => client.post(findings, { body: finding }),
};

for (const name of names.split(',')) {
  const call = calls[name];
  if (call === undefined) throw new Error(`there is no call ${name}`);
  console.log(JSON.stringify(await outcome(call)));
}

async function outcome(call: () => PromiseLike<unknown>): Promise<{ result: unknown; error: string | null }> {
  try {
    return { result: await call(), error: null };
  } catch (error) {
    if (!(error instanceof APIError)) throw error;
    return { result: null, error: error.constructor.name };
  }
}
