import { deepStrictEqual } from "node:assert";

/** Throws when two values differ that hold nothing but plain objects, lists, maps, buffers and what is no object. */
export function expectSame(found: unknown, wanted: unknown): void {
  if (isSame(found, wanted)) return;
  // It is many times slower, and says where they differ.
  deepStrictEqual(found, wanted);
  throw new Error("two values differ in what is not compared otherwise");
}

function isSame(one: unknown, other: unknown): boolean {
  if (Object.is(one, other)) return true;
  if (typeof one !== "object" || typeof other !== "object" || one === null || other === null) return false;
  if (one instanceof Map) return other instanceof Map && isSame([...one], [...other]);
  if (Buffer.isBuffer(one)) return Buffer.isBuffer(other) && one.equals(other);
  const keys = Object.keys(one);
  if (Array.isArray(one) !== Array.isArray(other) || keys.length !== Object.keys(other).length) return false;
  return keys.every((key) => Object.hasOwn(other, key) && isSame(Reflect.get(one, key), Reflect.get(other, key)));
}
