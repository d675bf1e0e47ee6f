import { oneOf } from "./mutate.ts";
import type { Mutation, Random } from "./target.ts";

type Node = Record<string, unknown>;
/** Where a value stands in a document. */
interface Place {
  readonly parent: Node;
  readonly key: string;
}

const digest = `sha256:${"b".repeat(64)}`;
const leaves: readonly unknown[] = [
  ...[null, true, false, 0, 1, -1, 1.5, 2 ** 53, 2 ** 31, "", "a", "a\nb", "/", "../x", "\0", "\ud800", "0:0", digest],
  ...[[], {}, [[]], [null], { a: "b" }, "sha256:", "2024-01-01T00:00:00Z", "linux", "v8"],
];

/** Something done to what stands at one place, with the other document at hand. */
type Change = (place: Place, random: Random, other: () => Node, words: readonly Buffer[]) => void;

const changes: readonly Change[] = [
  (place, random, _, words) => {
    place.parent[place.key] =
      random(3) === 0 ? oneOf(words, random).toString("latin1") : structuredClone(oneOf(leaves, random));
  },
  ({ parent, key }) => {
    if (Array.isArray(parent)) parent.splice(Number(key), 1);
    else delete parent[key];
  },
  // What stands elsewhere, here or in the other document.
  (place, random, other) => {
    place.parent[place.key] = copyOf(placeIn(other(), random));
  },
  ({ parent, key }, random, other, words) => {
    const from = placeIn(other(), random);
    const value = copyOf(from);
    const name =
      random(2) === 0
        ? from.key
        : oneOf(words, random)
            .toString("latin1")
            .replaceAll(/^"|":?$/g, "");
    const into = parent[key];
    if (Array.isArray(into)) into.splice(random(into.length + 1), 0, value);
    else if (isNode(into)) into[name] = value;
    else if (!Array.isArray(parent)) parent[name] = value;
  },
  (place, random) => {
    const list = Array.isArray(copyOf(place)) ? place.parent[place.key] : [place.parent[place.key]];
    if (Array.isArray(list))
      place.parent[place.key] = list.flatMap((one) => Array.from({ length: 1 + random(3) }, () => one));
  },
  (place, random) => {
    const value = copyOf(place);
    const inside = isNode(value) ? Object.values(value)[0] : undefined;
    if (typeof value === "number") place.parent[place.key] = value + random(5) - 2;
    else if (typeof value === "string") place.parent[place.key] = changedText(value, random);
    else place.parent[place.key] = random(2) === 0 ? [value] : inside;
  },
];

/** Mutations that keep a document JSON; what is none stays as it is. */
export const jsonMutations: readonly Mutation[] = [
  (input, random, other, words) => {
    let root = documentOf(input);
    if (root === undefined) return input;
    for (let count = 1 + random(4); count > 0; count--) {
      const here = root;
      oneOf(changes, random)(placeIn(root, random), random, () => documentOf(other) ?? here, words);
      if (!("root" in root)) root = { root: {} };
    }
    const text = JSON.stringify(root.root);
    return text === undefined ? input : Buffer.from(text);
  },
];

/** The document as the one value of an object, so that it has a place too. */
function documentOf(input: Buffer): Node | undefined {
  try {
    return { root: JSON.parse(input.toString("utf8")) };
  } catch {
    return undefined;
  }
}

/** Any place of the document, each as likely as the others on its level. */
function placeIn(root: Node, random: Random): Place {
  let place: Place = { parent: root, key: "root" };
  for (;;) {
    const value = place.parent[place.key];
    const keys = isNode(value) ? Object.keys(value) : [];
    if (!isNode(value) || keys.length === 0 || random(4) === 0) return place;
    place = { parent: value, key: oneOf(keys, random) };
  }
}

/** A copy: what changes in one place is to stay as it is in the others. */
function copyOf({ parent, key }: Place): unknown {
  const value = parent[key];
  return isNode(value) ? structuredClone(value) : value;
}

function isNode(value: unknown): value is Node {
  return typeof value === "object" && value !== null;
}

function changedText(text: string, random: Random): string {
  const at = random(text.length + 1);
  const piece = oneOf(["", "\n", "\0", "A", "=", ":", "/", "..", "\u0085", "{", "é"], random);
  return text.slice(0, at) + piece + text.slice(at + random(2));
}
