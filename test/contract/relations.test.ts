import { expect, it } from "vitest";
import { parseRelations } from "../../src/contract/relations.ts";

function parse(document: Readonly<Record<string, unknown>>) {
  const problems: string[] = [];
  return { relations: parseRelations(document, (why) => problems.push(why)), problems };
}

it("are what an image provides, requires and comes before", () => {
  const requires = ["net", { name: "kv/etcd", ready: true }, { name: "db@1.service", hard: true }];
  expect(parse({ provides: ["a/b"], requires, before: ["runtime"], other: 1 })).toEqual({
    relations: {
      provides: ["a/b"],
      requires: [
        { name: "net", ready: false, hard: false },
        { name: "kv/etcd", ready: true, hard: false },
        { name: "db@1.service", ready: false, hard: true },
      ],
      before: ["runtime"],
    },
    problems: [],
  });
});

it("are absent where an image says nothing", () => {
  expect(parse({})).toEqual({ relations: undefined, problems: [] });
  expect(parse({ provides: [], requires: [] })).toEqual({ relations: undefined, problems: [] });
});

it.each([
  [{ provides: "a" }, "provides is not a list of names such as kv/etcd"],
  [{ provides: ["a b"] }, "provides is not a list of names such as kv/etcd"],
  [{ provides: ["a\nExecStart=x"] }, "provides is not a list of names such as kv/etcd"],
  [{ before: ["../x"] }, "before is not a list of names such as runtime"],
  [{ before: ["x".repeat(129)] }, "before is not a list of names such as runtime"],
  [{ before: ["%n"] }, "before is not a list of names such as runtime"],
  [{ requires: [{}] }, 'requires is not a list of names such as kv/etcd, or of {"name", "ready", "hard"}'],
  [
    { requires: [{ name: "a", ready: 1 }] },
    'requires is not a list of names such as kv/etcd, or of {"name", "ready", "hard"}',
  ],
])("are refused as %j", (document, why) => {
  expect(parse(document).problems).toEqual([why]);
});
