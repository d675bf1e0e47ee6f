import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { devicePrivileges, deviceRulesOf, widenedDevices } from "../../src/plan/device-rules.ts";

interface Written {
  readonly allow: boolean;
  readonly type?: string;
  readonly major?: number;
  readonly minor?: number;
  readonly access?: string;
}

const rulesOf = (devices: readonly Written[] | undefined, runtime = "/usr/sbin/runc") =>
  deviceRulesOf({ linux: { resources: { devices } } }, runtime);
const widened = (from: readonly Written[] | undefined, to: readonly Written[] | undefined): readonly string[] =>
  widenedDevices(rulesOf(from), rulesOf(to)).map(({ what }) => what);

const deny: Written = { allow: false, access: "rwm" };
const all: Written = { allow: true, access: "rwm" };
const allow = (type: string, major?: number, minor?: number, access = "rwm"): Written => ({
  allow: true,
  type,
  ...(major === undefined ? {} : { major }),
  ...(minor === undefined ? {} : { minor }),
  access,
});
const refuse = (...of: Parameters<typeof allow>): Written => ({ ...allow(...of), allow: false });

describe("the devices that rules let a container use", () => {
  it.each<[string, readonly Written[] | undefined, readonly string[]]>([
    ["none", undefined, []],
    ["an empty list", [], []],
    ["none but one", [deny, allow("c", 10, 229)], ["c 10:229 rwm"]],
    ["all of a major number", [deny, allow("b", 8, undefined, "r")], ["b 8:* r"]],
    ["-1 for all", [deny, allow("b", 8, -1)], ["b 8:* rwm"]],
    ["the old name of a character device", [allow("u", 1, 3)], ["c 1:3 rwm"]],
    ["no type", [all], ["a *:* rwm"]],
    ["all types, whatever else is said", [{ allow: true, type: "a", major: 1, access: "r" }], ["a *:* rwm"]],
    ["no access", [{ allow: true, type: "c", major: 1, minor: 3 }], ["c 1:3 rwm"]],
    ["all, taken back", [all, deny], []],
    ["one, taken back", [allow("c", 1, 3), refuse("c", 1, 3)], []],
    ["one, in part taken back", [allow("c", 1, 3), refuse("c", 1, 3, "wm")], ["c 1:3 r"]],
    ["one that another says already", [all, allow("c", 1, 3)], ["a *:* rwm", "c 1:3 rwm"]],
  ])("%s", (_, written, expected) => {
    expect(devicePrivileges(rulesOf(written)).map(({ what }) => what)).toEqual(expected);
  });

  it("are all with crun where nothing is said, and none where something is", () => {
    const said = (devices: readonly Written[] | undefined): readonly string[] =>
      devicePrivileges(rulesOf(devices, "/usr/bin/crun")).map(({ what }) => what);
    expect(said(undefined)).toEqual(["a *:* rwm"]);
    expect(said([])).toEqual(["a *:* rwm"]);
    expect(said([deny])).toEqual([]);
    expect(devicePrivileges(deviceRulesOf({}, "/usr/bin/crun"))).toEqual([
      { kind: "device", does: "may use the devices", what: "a *:* rwm" },
    ]);
  });
});

describe("what rules let a container use beyond others", () => {
  it.each<[string, readonly Written[] | undefined, readonly Written[] | undefined, readonly string[]]>([
    ["the same", [deny, allow("c", 1, 3)], [deny, allow("c", 1, 3)], []],
    ["one more", [deny], [deny, allow("c", 1, 3)], ["c 1:3 rwm"]],
    ["one less", [deny, allow("c", 1, 3)], [deny], []],
    ["no rules any more", [deny, allow("c", 1, 3)], undefined, []],
    ["another use", [allow("c", 1, 3, "r")], [allow("c", 1, 3, "rw")], ["c 1:3 w"]],
    ["less use", [allow("c", 1, 3)], [allow("c", 1, 3, "m")], []],
    ["one of those there were", [allow("c", 1)], [allow("c", 1, 3)], []],
    ["all of a number", [allow("c", 1, 3)], [allow("c", 1)], ["c 1:* rwm"]],
    ["all of a minor number", [allow("c", 1, 3)], [allow("c", undefined, 3)], ["c *:3 rwm"]],
    ["anything, of all", [all], [allow("b", 8, 0), allow("c")], []],
    ["all", [allow("b"), allow("c", 1)], [all], ["a *:* rwm"]],
    ["all, said in two rules", [allow("b"), allow("c")], [all], []],
    ["the other type", [allow("c", 8, 0)], [allow("b", 8, 0)], ["b 8:0 rwm"]],
    ["a refusal less", [all, refuse("b", 8, 0)], [all], ["a *:* rwm"]],
    ["a refusal more", [all], [all, refuse("b", 8, 0)], []],
    ["another order", [all, deny], [deny, all], ["a *:* rwm"]],
    ["a refusal that comes too early", [deny, all, refuse("b", 8, 0)], [refuse("b", 8, 0), all], ["a *:* rwm"]],
  ])("%s", (_, from, to, expected) => {
    expect(widened(from, to)).toEqual(expected);
  });
});

const number = fc.constantFrom(1, 2);
const written: fc.Arbitrary<readonly Written[]> = fc.array(
  fc.record(
    {
      allow: fc.boolean(),
      type: fc.constantFrom("a", "b", "c"),
      major: number,
      minor: number,
      access: fc.constantFrom("r", "w", "m", "rw", "rwm"),
    },
    { requiredKeys: ["allow"] },
  ),
  { maxLength: 5 },
);

/** Every use that a list of rules lets through: the last rule that fits decides, and none does not. 3 is any other number. */
function usable(rules: readonly Written[]): ReadonlySet<string> {
  const allowed = new Set<string>();
  for (const { allow: lets, type = "a", major, minor, access = "rwm" } of rules) {
    const everything = type === "a";
    for (const use of everything ? "rwm" : access) {
      for (const kind of everything ? ["b", "c"] : [type]) {
        for (const x of everything ? [1, 2, 3] : [major ?? [1, 2, 3]].flat()) {
          for (const y of everything ? [1, 2, 3] : [minor ?? [1, 2, 3]].flat()) {
            const one = [kind, x, y, use].join(" ");
            if (lets) allowed.add(one);
            else allowed.delete(one);
          }
        }
      }
    }
  }
  return allowed;
}

it("nothing is widened if and only if every use that the second list lets through the first does", () => {
  fc.assert(
    fc.property(written, written, (from, to) => {
      const before = usable(from);
      const more = [...usable(to)].some((use) => !before.has(use));
      expect(widened(from, to).length > 0).toBe(more);
    }),
    { numRuns: 2000 },
  );
});
