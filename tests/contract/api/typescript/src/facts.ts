// usage: node build/facts.js WORLD_AS_JSON

import { failureFacts } from './failures.js';
import { methodFacts } from './methods.js';
import { pageFacts } from './pages.js';
import { report } from './report.js';
import type { World } from './world.js';

const given = process.argv[2];
if (given === undefined) throw new Error('usage: node build/facts.js WORLD_AS_JSON');
const world = JSON.parse(given) as World;
await report([...failureFacts(world), ...pageFacts(world), ...methodFacts(world)]);
