// Readers that check at run time what the published types only promise: `object<T>` does not compile unless it names
// every member of T, and none besides.

export type Reader<T> = (value: unknown, at: string) => T;

type RequiredKey<T> = { [K in keyof T]-?: object extends Pick<T, K> ? never : K }[keyof T];
type OptionalKey<T> = Exclude<keyof T, RequiredKey<T>>;
type Readers<T, K extends keyof T> = { [M in K]-?: Reader<Exclude<T[M], undefined>> };

export class Mismatch extends Error {}

function mismatch(at: string, expected: string, value: unknown): Mismatch {
  return new Mismatch(`${at}: expected ${expected}, got ${JSON.stringify(value)}`);
}

export const text: Reader<string> = (value, at) => {
  if (typeof value !== 'string') throw mismatch(at, 'a string', value);
  return value;
};

export const flag: Reader<boolean> = (value, at) => {
  if (typeof value !== 'boolean') throw mismatch(at, 'a boolean', value);
  return value;
};

export const count: Reader<number> = (value, at) => {
  if (typeof value !== 'number' || !Number.isInteger(value)) throw mismatch(at, 'an integer', value);
  return value;
};

export const moment: Reader<string> = (value, at) => {
  const given = text(value, at);
  if (!/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$/.test(given)) throw mismatch(at, 'an RFC 3339 time in UTC', value);
  return given;
};

export const anything: Reader<unknown> = (value) => value;

export function oneOf<const V extends string>(...values: V[]): Reader<V> {
  return (value, at) => {
    const found = values.find((candidate) => candidate === value);
    if (found === undefined) throw mismatch(at, values.join(' or '), value);
    return found;
  };
}

export function orNull<T>(read: Reader<T>): Reader<T | null> {
  return (value, at) => (value === null ? null : read(value, at));
}

export function list<T>(read: Reader<T>): Reader<T[]> {
  return (value, at) => {
    if (!Array.isArray(value)) throw mismatch(at, 'an array', value);
    return value.map((item: unknown, index) => read(item, `${at}[${index}]`));
  };
}

export function byKey<T>(read: Reader<T>): Reader<{ [key: string]: T }> {
  return (value, at) => {
    const entries = Object.entries(members(value, at));
    return Object.fromEntries(entries.map(([key, item]) => [key, read(item, `${at}.${key}`)]));
  };
}

export function object<T extends object>(
  required: Readers<T, RequiredKey<T>>,
  optional: Readers<T, OptionalKey<T>>,
): Reader<T> {
  return (value, at) => {
    const given = members(value, at);
    const read = { ...required, ...optional } as { [name: string]: Reader<unknown> };
    for (const [name, reader] of Object.entries(read)) {
      if (name in given || name in required) reader(given[name], `${at}.${name}`);
    }
    return value as T;
  };
}

function members(value: unknown, at: string): { [name: string]: unknown } {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw mismatch(at, 'an object', value);
  return { ...value };
}
