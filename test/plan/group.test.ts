import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { HostChange } from "../../src/plan/change.ts";
import { textState } from "../../src/plan/file-state.ts";
import { joinPlans } from "../../src/plan/group.ts";
import { findCycle, readGraph, startOrder } from "../../src/plan/order.ts";
import type { SwitchPlan } from "../../src/plan/switch.ts";
import { hostWith, member } from "../bed/members.ts";

const job = (kind: "start" | "stop", name: string): HostChange => ({ kind, unit: `${name}.service` });
const file = (path: string): HostChange => ({ kind: "file", path, to: textState(path) });
const watch = (name: string): HostChange => {
  return { kind: "watch", unit: `${name}.service`, others: [], name, runtime: "/usr/sbin/runc", soak: 1 };
};
/** An update as planSwitch makes it, with a service that stops and starts with it. */
const update = (name: string, leaning: readonly string[] = []): SwitchPlan => ({
  changes: [
    ...[...leaning, name].map((each) => job("stop", each)),
    { kind: "disable", unit: `${name}.service`, links: [] },
    file(`/etc/${name}`),
    { kind: "current", name, from: 1, to: 2 },
    { kind: "reload" },
    { kind: "tmpfiles-create", path: `/etc/tmpfiles.d/${name}.conf`, made: [] },
    { kind: "enable", unit: `${name}.service`, links: [] },
    ...[name, ...leaning.toReversed()].map((each) => job("start", each)),
    watch(name),
  ],
  kept: [`/kept/${name}`],
});
const said = (changes: readonly HostChange[]): readonly string[] =>
  changes.map((change) =>
    "unit" in change
      ? `${change.kind} ${change.unit}`
      : "path" in change
        ? `${change.kind} ${change.path}`
        : change.kind,
  );

it("plans of several containers become one: all stop, all are switched, all start, all are watched", () => {
  const [a, b] = [update("a", ["x", "b"]), update("b")];
  const { changes, kept } = joinPlans([a, b], [b, a]);
  expect(said(changes)).toEqual([
    ...["stop b.service", "stop x.service", "stop a.service"],
    ...["disable a.service", "file /etc/a", "current", "disable b.service", "file /etc/b", "current", "reload"],
    ...["tmpfiles-create /etc/tmpfiles.d/a.conf", "enable a.service"],
    ...["tmpfiles-create /etc/tmpfiles.d/b.conf", "enable b.service"],
    ...["start a.service", "start x.service", "start b.service", "watch a.service", "watch b.service"],
  ]);
  expect(kept).toEqual(["/kept/a", "/kept/b"]);
  expect(joinPlans([], [])).toEqual({ changes: [], kept: [] });
});

describe("74: of any services that require one another", () => {
  const count = 8;
  const names = Array.from({ length: count }, (_, index) => `s${index}`);
  const pairs = fc.array(
    fc.tuple(fc.nat(count - 1), fc.nat(count - 1)).filter(([one, other]) => one !== other),
    {
      maxLength: 14,
    },
  );
  /** Containers called anything, whose images provide and require names. */
  const membersWith = (needs: readonly (readonly [number, number])[], order: readonly number[]) =>
    order.map((index) => {
      const requires = needs.flatMap(([from, to]) => (from === index ? [`kv/${to}`] : []));
      return member(names[index] ?? "", { provides: [`kv/${index}`], requires });
    });
  const shuffled = fc.shuffledSubarray([...names.keys()], { minLength: count });

  it("those that lead in a circle are named, each of which requires the next", () => {
    let cyclic = 0;
    fc.assert(
      fc.property(pairs, shuffled, (needs, order) => {
        const members = membersWith(needs, order);
        const { edges } = readGraph(members, hostWith());
        const cycle = findCycle(
          edges,
          members.map(({ unit }) => unit),
        );
        const place = new Map(startOrder(members, edges).map(({ name }, index) => [name, index]));
        const at = (index: number): number => place.get(names[index] ?? "") ?? -1;
        // Without a circle there is an order, and with one there is none.
        expect(cycle === undefined).toBe(needs.every(([from, to]) => at(to) < at(from)));
        if (cycle === undefined) return;
        cyclic += 1;
        for (const [index, unit] of cycle.slice(0, -1).entries()) {
          const [from, to] = [unit, cycle[index + 1] ?? ""].map((each) => names.indexOf(each.replace(".service", "")));
          expect(needs).toContainEqual([from, to]);
        }
      }),
      { numRuns: 300 },
    );
    expect(cyclic).toBeGreaterThan(30);
  });

  it("the others stop before and start after what they require, in one plan of any of them", () => {
    const acyclic = pairs.map((all) => all.filter(([from, to]) => from > to));
    fc.assert(
      fc.property(acyclic, shuffled, fc.subarray(names), (needs, order, changing) => {
        const members = membersWith(needs, order);
        const starting = startOrder(members, readGraph(members, hostWith()).edges)
          .filter(({ name }) => changing.includes(name))
          .map(({ name }) => update(name));
        const jobs = said(joinPlans(starting, starting.toReversed()).changes);
        const at = (kind: string, index: number): number => jobs.indexOf(`${kind} ${names[index]}.service`);
        for (const [from, to] of needs.filter((pair) => pair.every((each) => changing.includes(names[each] ?? "")))) {
          expect(at("stop", from)).toBeLessThan(at("stop", to));
          expect(at("start", to)).toBeLessThan(at("start", from));
        }
        expect(jobs.filter((each) => each === "reload")).toHaveLength(changing.length === 0 ? 0 : 1);
      }),
      { numRuns: 200 },
    );
  });
});
