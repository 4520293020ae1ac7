// A fact is a name and a check. Each is reported as one line of JSON, so that the test that runs this names it.

import assert from 'node:assert/strict';

export interface Fact {
  name: string;
  holds: () => Promise<void>;
}

export async function report(facts: Fact[]): Promise<void> {
  const names = facts.map((fact) => fact.name);
  assert.equal(new Set(names).size, names.length, 'two facts have the same name');
  for (const fact of facts) console.log(JSON.stringify({ fact: fact.name, failure: await failureOf(fact) }));
}

async function failureOf(fact: Fact): Promise<string | null> {
  try {
    await fact.holds();
    return null;
  } catch (error) {
    return error instanceof Error ? (error.stack ?? error.message) : String(error);
  }
}
