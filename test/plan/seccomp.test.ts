import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { JsonObject } from "../../src/image/json.ts";
import { seccompOf, seccompPrivilege, widenedSeccomp } from "../../src/plan/seccomp.ts";

interface Rule {
  readonly names: readonly string[];
  readonly action: string;
  readonly args?: readonly object[] | null;
}

const config = (defaultAction: string, ...syscalls: readonly Rule[]): JsonObject => ({
  linux: { seccomp: { defaultAction, syscalls } },
});
const nothing: JsonObject = { linux: {} };
const allBut = (...names: readonly string[]): JsonObject =>
  config("SCMP_ACT_ALLOW", { names, action: "SCMP_ACT_ERRNO" });
const noneBut = (...names: readonly string[]): JsonObject =>
  config("SCMP_ACT_ERRNO", { names, action: "SCMP_ACT_ALLOW" });

/** What a person reads of what is let through from now on. */
const widened = (from: JsonObject, to: JsonObject): readonly string[] =>
  widenedSeccomp(seccompOf(from), seccompOf(to)).map(({ does, what }) => `${does} ${what}`.trimEnd());
const said = (of: JsonObject): readonly string[] =>
  seccompPrivilege(seccompOf(of)).map(({ does, what }) => `${does} ${what}`.trimEnd());
const call = (name: string): string => `may make the system call ${name}`;

describe("what a filter lets through", () => {
  it.each<[string, JsonObject, readonly string[]]>([
    ["no linux", {}, ["has no seccomp filter"]],
    ["no seccomp", nothing, ["has no seccomp filter"]],
    ["null", { linux: { seccomp: null } }, ["has no seccomp filter"]],
    ["an object that says nothing: runtimes set no filter then", { linux: { seccomp: {} } }, ["has no seccomp filter"]],
    ["all", config("SCMP_ACT_ALLOW"), ["may make every system call"]],
    ["all, logged", config("SCMP_ACT_LOG"), ["may make every system call"]],
    ["all but some", allBut("mount", "bpf"), ["may make every system call but bpf, mount"]],
    ["none", config("SCMP_ACT_KILL_PROCESS"), ["may make 0 system calls"]],
    ["some", noneBut("read", "write"), ["may make 2 system calls"]],
    [
      "one in several rules",
      config(
        "SCMP_ACT_ERRNO",
        { names: ["read"], action: "SCMP_ACT_ALLOW" },
        { names: ["read"], action: "SCMP_ACT_LOG" },
      ),
      ["may make 1 system calls"],
    ],
  ])("%s", (_, of, expected) => {
    expect(said(of)).toEqual(expected);
  });
});

describe("what one filter lets through beyond another", () => {
  const all = "may make every system call";
  it.each<[string, JsonObject, JsonObject, readonly string[]]>([
    ["none, none", nothing, nothing, []],
    ["none, all but", nothing, allBut("mount"), []],
    ["none, none but", nothing, noneBut("read"), []],
    ["all but, none", allBut("mount"), nothing, ["has no seccomp filter"]],
    ["all but nothing, none", allBut(), nothing, []],
    ["all but, all but less", allBut("mount", "bpf"), allBut("bpf", "ptrace"), [call("mount")]],
    ["all but, all but more", allBut("mount"), allBut("mount", "bpf"), []],
    ["all but, none but", allBut("mount", "bpf"), noneBut("read", "mount"), [call("mount")]],
    ["none but, none", noneBut("read"), nothing, ["has no seccomp filter"]],
    ["none but, all but", noneBut("read"), allBut("mount"), [`${all} but mount`]],
    ["none but, none but more", noneBut("read"), noneBut("write", "read", "bpf"), [`${call("bpf")}`, call("write")]],
    ["none but, none but less", noneBut("read", "write"), noneBut("read"), []],
    ["none but, an object that says nothing", noneBut("read"), { linux: { seccomp: {} } }, ["has no seccomp filter"]],
  ])("%s", (_, from, to, expected) => {
    expect(widened(from, to)).toEqual(expected);
  });

  it.each(["ALLOW", "LOG", "TRACE", "NOTIFY"])("counts a call as made after SCMP_ACT_%s", (action) => {
    const some = config("SCMP_ACT_ERRNO", { names: ["read"], action: `SCMP_ACT_${action}` });
    expect(widened(noneBut(), some)).toEqual([call("read")]);
    expect(widened(noneBut(), config(`SCMP_ACT_${action}`))).toEqual([all]);
  });

  it.each(["ERRNO", "KILL", "KILL_PROCESS", "KILL_THREAD", "TRAP"])("and not after SCMP_ACT_%s", (action) => {
    expect(widened(noneBut(), config(`SCMP_ACT_${action}`))).toEqual([]);
    expect(widened(config("SCMP_ACT_ALLOW", { names: ["read"], action: `SCMP_ACT_${action}` }), nothing)).toEqual([
      "has no seccomp filter",
    ]);
  });
});

describe("rules for some arguments", () => {
  const first = { index: 0, value: 1, op: "SCMP_CMP_EQ" };
  const other = { index: 0, value: 2, op: "SCMP_CMP_EQ" };
  const allow = (...args: readonly object[]): JsonObject =>
    config("SCMP_ACT_ERRNO", { names: ["clone"], action: "SCMP_ACT_ALLOW", args });
  const refuse = (...args: readonly object[]): JsonObject =>
    config("SCMP_ACT_ALLOW", { names: ["clone"], action: "SCMP_ACT_ERRNO", args });
  const some = `${call("clone")} with some arguments`;

  it.each<[string, JsonObject, JsonObject, readonly string[]]>([
    ["an empty list is no condition", allow(), noneBut("clone"), []],
    ["an empty list refuses the call", refuse(), config("SCMP_ACT_ALLOW"), [call("clone")]],
    ["null is no condition", allow(), config("SCMP_ACT_ERRNO", { ...rule, args: null }), []],
    ["the same", allow(first), allow(first), []],
    ["what only fills in a default", allow(first), allow({ ...first, valueTwo: 0 }), []],
    ["in another order", allow(first, { ...other, index: 1 }), allow({ ...other, index: 1 }, first), []],
    ["some, then whatever they are", allow(first), allow(), [call("clone")]],
    ["whatever they are, then some", allow(), allow(first), []],
    ["others", allow(first), allow(other), [some]],
    ["none, then some", noneBut(), allow(first), [some]],
    ["refused for some, then for none", refuse(first), config("SCMP_ACT_ALLOW"), [call("clone")]],
    ["refused for some, then for others", refuse(first), refuse(other), [some]],
    ["refused for some, then for all", refuse(first), refuse(), []],
    ["refused for all, then for some", refuse(), refuse(first), [some]],
    ["refused for some, then no filter", refuse(first), nothing, ["has no seccomp filter"]],
    ["refused for some, then allowed for some", refuse(first), allow(other), [some]],
    ["refused for none, then allowed for some", config("SCMP_ACT_ALLOW"), allow(other), []],
  ])("%s", (_, from, to, expected) => {
    expect(widened(from, to)).toEqual(expected);
  });
});

const rule: Rule = { names: ["clone"], action: "SCMP_ACT_ALLOW" };
const names = ["bpf", "clone", "mount"];
const acts = ["SCMP_ACT_ALLOW", "SCMP_ACT_ERRNO"] as const;
/** The value of a call's first argument that a rule is for; undefined: whatever it is. */
const values = [undefined, 0, 1] as const;

interface Drawn {
  readonly text: JsonObject;
  /** Whether a call is let through; one that no rule names stands for all others. */
  lets(name: string, value: number): boolean;
}

/** A filter of a few rules, each other than the default: what runtimes make of those that are not is nothing. */
const drawn = (conditions: readonly (number | undefined)[]): fc.Arbitrary<Drawn | undefined> =>
  fc.option(
    fc
      .record({
        byDefault: fc.constantFrom(...acts),
        rules: fc.array(fc.record({ names: fc.subarray([...names]), value: fc.constantFrom(...conditions) }), {
          maxLength: 3,
        }),
      })
      .map(({ byDefault, rules }) => {
        const action = acts.find((act) => act !== byDefault) ?? "";
        const syscalls = rules.map(({ names: some, value }): Rule => {
          return {
            names: some,
            action,
            ...(value === undefined ? {} : { args: [{ index: 0, value, op: "SCMP_CMP_EQ" }] }),
          };
        });
        return {
          text: config(byDefault, ...syscalls),
          lets: (name, value) => {
            const told = rules.some((one) => one.names.includes(name) && (one.value ?? value) === value);
            return told !== (byDefault === "SCMP_ACT_ALLOW");
          },
        } satisfies Drawn;
      }),
    { nil: undefined },
  );

/** Whether `to` lets through only what `from` does. */
function within(from: Drawn | undefined, to: Drawn | undefined): boolean {
  const calls = [...names, "another"].flatMap((name) => [0, 1, 2].map((value) => ({ name, value })));
  return calls.every(({ name, value }) => (from?.lets(name, value) ?? true) || !(to?.lets(name, value) ?? true));
}

describe("of any two filters", () => {
  const widens = (from: Drawn | undefined, to: Drawn | undefined): boolean =>
    widened(from?.text ?? nothing, to?.text ?? nothing).length > 0;

  it("nothing is widened if and only if every call that the second lets through the first does", () => {
    fc.assert(
      fc.property(drawn([undefined]), drawn([undefined]), (from, to) => {
        expect(widens(from, to)).toBe(!within(from, to));
      }),
      { numRuns: 1000 },
    );
  });

  it("with conditions too, nothing that is let through anew is passed over, and nothing is seen in the same filter", () => {
    fc.assert(
      fc.property(drawn(values), drawn(values), (from, to) => {
        if (!within(from, to)) expect(widens(from, to)).toBe(true);
        expect(widens(to, to)).toBe(false);
      }),
      { numRuns: 2000 },
    );
  });
});
