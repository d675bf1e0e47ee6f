import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type Edge, findCycle, orderProblems, readGraph, startOrder } from "../../src/plan/order.ts";
import { hostWith, member } from "../bed/members.ts";

const basic = { "basic.target": "[Unit]\nAfter=sysinit.target\n", "sysinit.target": "[Unit]\nAfter=local-fs.target\n" };

describe("the graph of services", () => {
  it("has what images declare and what units say, additions of an administrator too", () => {
    const members = [
      member("etcd", { provides: ["kv/etcd"] }),
      member("flanneld", { requires: ["kv/etcd"], before: ["runtime"] }, "[Unit]\nRequires=%p-config.service\n"),
    ];
    const host = hostWith(
      { "docker.service": "[Unit]\nAfter=nss-lookup.target\n" },
      { "etcd.service": "[Unit]\nAfter=data.mount\n" },
    );
    const edges = readGraph(members, host).edges.filter(({ implied }) => !implied);
    expect(edges.map(({ from, kind, to }) => `${from} ${kind} ${to}`).sort()).toEqual([
      "docker.service after flanneld.service",
      "docker.service after nss-lookup.target",
      "etcd.service after data.mount",
      "flanneld.service after etcd.service",
      "flanneld.service requires flanneld-config.service",
      "flanneld.service upholds etcd.service",
      "flanneld.service wants etcd.service",
    ]);
  });

  it("a service before sysinit.target that has default dependencies is a cycle", () => {
    const problems = orderProblems([member("early", {}, "[Unit]\nBefore=sysinit.target\n")], hostWith(basic));
    expect(problems).toEqual([{ kind: "cycle", units: ["early.service", "sysinit.target", "early.service"] }]);
    const mended = member("early", {}, "[Unit]\nDefaultDependencies=no\nBefore=sysinit.target\n");
    expect(orderProblems([mended], hostWith(basic))).toEqual([]);
  });

  it("a cycle may lead through a unit of the host", () => {
    const host = hostWith({ "proxy.service": "[Unit]\nAfter=web.service\n" });
    expect(orderProblems([member("web", { requires: ["proxy"] })], host)).toEqual([
      { kind: "cycle", units: ["web.service", "proxy.service", "web.service"] },
    ]);
  });

  it("names what nothing provides: a name, and a service that a unit requires", () => {
    const web = member("web", { requires: ["kv/etcd", "db"] }, "[Unit]\nRequires=a@1.service b.service x.mount\n");
    const host = hostWith({ "db.service": "", "a@.service": "" });
    expect(orderProblems([web], host)).toEqual([
      { kind: "missing", member: web, wanted: "kv/etcd" },
      { kind: "missing", member: web, wanted: "b.service" },
    ]);
  });
});

const unitName = (index: number): string => `u${index}.service`;

/** Edges between `count` units; `acyclic` ones lead to lower numbers only. */
function edgesAmong(count: number, acyclic: boolean): fc.Arbitrary<readonly Edge[]> {
  const pair = fc.tuple(fc.nat(count - 1), fc.nat(count - 1)).filter(([a, b]) => (acyclic ? a > b : a !== b));
  return fc
    .array(pair, { maxLength: count * 2 })
    .map((pairs) => pairs.map(([a, b]): Edge => ({ from: unitName(a), to: unitName(b), kind: "after" })));
}

/** Whether the transitive closure has a unit after itself: the definition, the slow way. */
function hasCycle(edges: readonly Edge[], count: number): boolean {
  const after = Array.from({ length: count }, (_, a) =>
    Array.from({ length: count }, (_, b) => edges.some(({ from, to }) => from === unitName(a) && to === unitName(b))),
  );
  for (let k = 0; k < count; k++)
    for (let a = 0; a < count; a++)
      for (let b = 0; b < count; b++) if (after[a]?.[k] && after[k]?.[b]) (after[a] as boolean[])[b] = true;
  return after.some((row, index) => row[index]);
}

describe("any graph of units", () => {
  const count = 9;
  const all = Array.from({ length: count }, (_, index) => unitName(index));

  it("74: with a cycle has one found, each unit of which really comes after the next", () => {
    let cyclic = 0;
    fc.assert(
      fc.property(edgesAmong(count, false), (edges) => {
        const cycle = findCycle(edges, all);
        expect(cycle !== undefined).toBe(hasCycle(edges, count));
        if (cycle === undefined) return;
        cyclic += 1;
        expect(cycle.length).toBeGreaterThan(1);
        expect(cycle.at(-1)).toBe(cycle[0]);
        expect(new Set(cycle).size).toBe(cycle.length - 1);
        for (const [index, from] of cycle.slice(0, -1).entries()) {
          expect(edges).toContainEqual({ from, to: cycle[index + 1], kind: "after" });
        }
      }),
      { numRuns: 300 },
    );
    expect(cyclic).toBeGreaterThan(30);
  });

  it("74: without one has every unit start when all it comes after have", () => {
    fc.assert(
      fc.property(edgesAmong(count, true), fc.shuffledSubarray(all, { minLength: count }), (edges, names) => {
        expect(findCycle(edges, all)).toBeUndefined();
        const members = names.map((unit) => member(unit.replace(".service", "")));
        const order = startOrder(members, edges).map(({ unit }) => unit);
        expect(order.toSorted()).toEqual(all.toSorted());
        for (const { from, to } of edges) expect(order.indexOf(to)).toBeLessThan(order.indexOf(from));
      }),
      { numRuns: 300 },
    );
  });

  it("with ten thousand units in a row is no trouble", () => {
    const edges = Array.from({ length: 10_000 }, (_, index): Edge => {
      return { from: unitName(index), to: unitName(index + 1), kind: "after" };
    });
    expect(findCycle(edges, [unitName(0)])).toBeUndefined();
    expect(
      findCycle([...edges, { from: unitName(10_000), to: unitName(0), kind: "after" }], [unitName(0)]),
    ).toHaveLength(10_002);
  });
});
