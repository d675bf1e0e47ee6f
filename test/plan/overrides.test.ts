import { describe, expect, it } from "vitest";
import type { JsonObject } from "../../src/image/json.ts";
import { parseIni } from "../../src/ini.ts";
import { applyOverrides, parseOverrides } from "../../src/plan/overrides.ts";
import { errorOf } from "../contract/contracts.ts";

const path = "/etc/keelson/etcd.d/10-mine.conf";
const parse = (...texts: readonly string[]) =>
  parseOverrides(texts.map((text) => ({ path, sections: parseIni(text) })));

/** The config.json given, with what the files say applied to it. */
function overridden(config: JsonObject, ...texts: readonly string[]): JsonObject {
  const copy = structuredClone(config);
  applyOverrides(copy, parse(...texts));
  return copy;
}
const section = (name: string, ...lines: readonly string[]): string => [`[${name}]`, ...lines, ""].join("\n");

describe("[environment]", () => {
  const env = (...lines: readonly string[]): readonly string[] =>
    overridden({ process: { env: ["A=1", "AB=2", "B"] } }, section("environment", ...lines)).process.env;

  it.each<[string, readonly string[], readonly string[]]>([
    ["adds", ["C = 3"], ["A=1", "AB=2", "B", "C=3"]],
    ["replaces the variable of that name alone", ["A = x=y"], ["AB=2", "B", "A=x=y"]],
    ["replaces one without a value", ["B = 1"], ["A=1", "AB=2", "B=1"]],
    ["takes the last of two", ["C = 1", "C = 2"], ["A=1", "AB=2", "B", "C=2"]],
    ["takes an empty value", ["A ="], ["AB=2", "B", "A="]],
    ["takes true for text", ["A = true", "C = false", "D = null"], ["AB=2", "B", "A=true", "C=false", "D=null"]],
    ["takes numbers as they are written", ["C = 0755", "D = 1.10"], ["A=1", "AB=2", "B", "C=0755", "D=1.10"]],
    ["takes what is in double quotes", ['C = "a; # b"'], ["A=1", "AB=2", "B", "C=a; # b"]],
    [
      "takes what is in single quotes as it stands",
      ["C = '1.10'", `D = '{"a": [1]}'`, "E = 'true'", "F = '[1]'"],
      ["A=1", "AB=2", "B", "C=1.10", 'D={"a": [1]}', "E=true", "F=[1]"],
    ],
    ["takes a backslash in single quotes", ["C = '\\d;#'"], ["A=1", "AB=2", "B", "C=\\d;#"]],
    ["leaves comments out", ["; A = 5", "C = 1 ; one", "# D = 1"], ["A=1", "AB=2", "B", "C=1"]],
  ])("%s", (_, lines, expected) => {
    expect(env(...lines)).toEqual(expected);
  });

  it("makes the list where there is none", () => {
    expect(overridden({}, section("environment", "A = 1"))).toEqual({ process: { env: ["A=1"] } });
  });
});

describe("[process]", () => {
  it.each<[string, readonly string[], readonly string[]]>([
    ["one argument", ["args = --debug"], ["/bin/x", "--debug"]],
    ["several, in their order", ["args[] = --level", "args[] = debug", "args[] ="], ["/bin/x", "--level", "debug", ""]],
    ["true is text", ["args[] = true", "args[] = null"], ["/bin/x", "true", "null"]],
  ])("appends %s", (_, lines, args) => {
    expect(overridden({ process: { args: ["/bin/x"] } }, section("process", ...lines)).process.args).toEqual(args);
  });
});

describe("[mounts]", () => {
  const image = { destination: "/data", type: "tmpfs", source: "tmpfs" };
  const mount = (destination: string, source: string, ...options: readonly string[]): JsonObject => ({
    ...{ destination, type: "bind", source, options: ["rbind", ...options] },
  });

  it.each<[string, string, readonly JsonObject[]]>([
    ["adds one", "/srv = /srv/etcd", [image, mount("/srv", "/srv/etcd", "rw")]],
    ["replaces one", "/data = /srv/etcd:ro,nosuid", [mount("/data", "/srv/etcd", "ro", "nosuid")]],
    ["replaces one however it ends", "/data/ = /srv/etcd/", [mount("/data", "/srv/etcd", "rw")]],
    ["takes empty options for none", "/srv = /srv:", [image, mount("/srv", "/srv")]],
    ["takes the root", "/host = /:ro", [image, mount("/host", "/", "ro")]],
  ])("%s", (_, line, mounts) => {
    expect(overridden({ mounts: [image] }, section("mounts", line)).mounts).toEqual(mounts);
    expect(overridden({ mounts: [{ ...image, destination: "/data/" }] }, section("mounts", line)).mounts).toHaveLength(
      mounts.length,
    );
  });

  it("makes the list where there is none", () => {
    expect(overridden({}, section("mounts", "/a = /b"))).toEqual({ mounts: [mount("/a", "/b", "rw")] });
  });
});

describe("[capabilities]", () => {
  const own = ["CAP_CHOWN", "CAP_KILL"];
  const say = (line: string, ...more: readonly string[]): string => section("capabilities", line, ...more);
  /** The list in each of these sets. */
  const all = (list: readonly string[], ...names: readonly string[]): JsonObject =>
    Object.fromEntries(names.map((name) => [name, list]));
  const usual = ["bounding", "effective", "permitted"];

  it.each<[string, number, JsonObject, string, JsonObject]>([
    ["adds for root", 0, {}, say("add = CAP_KILL"), all(["CAP_KILL"], ...usual)],
    [
      "adds for another user, inheritable and ambient too",
      7,
      {},
      say("add = CAP_KILL"),
      all(["CAP_KILL"], ...usual, "inheritable", "ambient"),
    ],
    ["adds once", 0, all(own, ...usual), say("add = CAP_KILL"), all(own, ...usual)],
    ["adds several", 0, {}, say("add = CAP_A,CAP_B  CAP_C"), all(["CAP_A", "CAP_B", "CAP_C"], ...usual)],
    ["adds of a list", 0, {}, say("add[] = CAP_A", "add[] = CAP_B"), all(["CAP_A", "CAP_B"], ...usual)],
    [
      "drops from every set there is",
      7,
      all(own, "bounding", "ambient"),
      say("drop = CAP_CHOWN CAP_BPF"),
      all(["CAP_KILL"], "bounding", "ambient"),
    ],
    ["drops from no set", 0, {}, say("drop = CAP_CHOWN"), {}],
    [
      "adds what was dropped, as it is written",
      0,
      all(own, ...usual),
      say("drop = CAP_CHOWN", "add = CAP_CHOWN"),
      all(["CAP_KILL", "CAP_CHOWN"], ...usual),
    ],
  ])("%s", (_, uid, capabilities, text, expected) => {
    const process = { user: { uid }, capabilities };
    expect(overridden({ process }, text)).toEqual({ process: { ...process, capabilities: expected } });
  });

  it("leaves what is not said unsaid", () => {
    expect(overridden({ process: {} }, say("drop = CAP_CHOWN"))).toEqual({ process: {} });
    expect(overridden({}, say("add = CAP_KILL"))).toEqual({ process: { capabilities: all(["CAP_KILL"], ...usual) } });
  });
});

describe("[limits]", () => {
  it.each<[string, JsonObject]>([
    ["nofile = 100", { process: { rlimits: [{ type: "RLIMIT_NOFILE", hard: 100, soft: 100 }] } }],
    ["nofile = 1K:2M", { process: { rlimits: [{ type: "RLIMIT_NOFILE", hard: 2 * 1024 ** 2, soft: 1024 }] } }],
    ["core = 0", { process: { rlimits: [{ type: "RLIMIT_CORE", hard: 0, soft: 0 }] } }],
    ["memory = 512M", { linux: { resources: { memory: { limit: 512 * 1024 ** 2 } } } }],
    ["memory = 2G", { linux: { resources: { memory: { limit: 2 * 1024 ** 3 } } } }],
    ["pids = 200", { linux: { resources: { pids: { limit: 200 } } } }],
  ])("%s", (line, expected) => {
    expect(overridden({}, section("limits", line))).toEqual(expected);
  });

  it("replaces the limit of that name alone, and keeps what else is said of memory", () => {
    const [nofile, core] = ["RLIMIT_NOFILE", "RLIMIT_CORE"].map((type) => ({ type, hard: 1, soft: 1 }));
    const config = {
      process: { rlimits: [nofile, core] },
      linux: { resources: { memory: { limit: 1, swap: 2 }, cpu: { shares: 3 } } },
    };
    expect(overridden(config, section("limits", "nofile = 2:3", "memory = 5"))).toEqual({
      process: { rlimits: [core, { type: "RLIMIT_NOFILE", hard: 3, soft: 2 }] },
      linux: { resources: { memory: { limit: 5, swap: 2 }, cpu: { shares: 3 } } },
    });
  });
});

describe("override files", () => {
  it("are applied in their order, and told in one line for each key", () => {
    const [first, second] = [section("environment", "A = 1", "B = 1"), section("environment", "A = 2")];
    expect(overridden({}, first, second)).toEqual({ process: { env: ["B=1", "A=2"] } });
    expect(
      parse(first, section("process", "args[] = a", "args[] = b"), section("process", "args = a b")).map(
        ({ line }) => line,
      ),
    ).toEqual([
      `${path}: environment A=1`,
      `${path}: environment B=1`,
      `${path}: process args=a b`,
      `${path}: process args="a b"`,
    ]);
  });

  it("that are empty, or have nothing but comments, change nothing", () => {
    expect(parse("", "; [environment]\n", "[environment]\n\n[limits]\n")).toEqual([]);
  });

  it.each<[string, string, string]>([
    ["a key outside a section", "A = 1\n", `${path}: A stands outside a section`],
    ["a section nobody knows", section("environ", "A = 1"), `${path}: environ is no section`],
    ["the same without a key", section("Environment"), `${path}: Environment is no section`],
    ["a section in a section", section("limits.more", "A = 1"), `${path}: limits.more is not a section`],
    [
      "no name of a variable",
      section("environment", "A-B = 1"),
      `${path}: environment A-B is not the name of a variable`,
    ],
    [
      "a variable that is a list",
      section("environment", "A[] = 1", "A[] = 2"),
      `${path}: environment A is given more than once`,
    ],
    ["a control character", section("environment", 'A = "a\\nb"'), `${path}: environment A holds a control character`],
    [
      "an argument with a zero byte",
      section("process", 'args = "a\\u0000b"'),
      `${path}: process args holds a control character`,
    ],
    ["a key of the process that is not known", section("process", "cwd = /"), `${path}: process cwd is not known`],
    ["a relative destination", section("mounts", "data = /srv"), `${path}: mounts data is not of the form`],
    ["a relative source", section("mounts", "/data = srv"), `${path}: mounts /data is not of the form`],
    ["a way round", section("mounts", "/data = /srv/../etc"), `${path}: mounts /data is not of the form`],
    [
      "a destination with a way round",
      section("mounts", "/data/./x = /srv"),
      `${path}: mounts /data/./x is not of the form`,
    ],
    ["a colon too many", section("mounts", "/data = /srv:ro:x"), `${path}: mounts /data is not of the form`],
    ["no source", section("mounts", "/data ="), `${path}: mounts /data is not of the form`],
    ["the root as a destination", section("mounts", "/ = /srv"), `${path}: mounts / is not of the form`],
    [
      "no name of a capability",
      section("capabilities", "add = CAP_KILL net_admin"),
      `${path}: capabilities add net_admin is not the name of a capability`,
    ],
    [
      "a set of capabilities",
      section("capabilities", "ambient = CAP_KILL"),
      `${path}: capabilities ambient is not known`,
    ],
    ["a limit that is not known", section("limits", "files = 1"), `${path}: limits files is not known`],
    [
      "a limit that is no number",
      section("limits", "nofile = many"),
      `${path}: limits nofile many is not a whole number`,
    ],
    ["a limit below zero", section("limits", "memory = -1"), `${path}: limits memory -1 is not a whole number`],
    [
      "a part of a limit that is missing",
      section("limits", "nofile = 1:"),
      `${path}: limits nofile  is not a whole number`,
    ],
    [
      "a limit beyond numbers",
      section("limits", "memory = 999999999999G"),
      `${path}: limits memory 999999999999G is not a whole number`,
    ],
    [
      "a soft limit above the hard one",
      section("limits", "nofile = 2:1"),
      `${path}: limits nofile is not of the form SOFT[:HARD]`,
    ],
    ["a third limit", section("limits", "nofile = 1:2:3"), `${path}: limits nofile is not of the form SOFT[:HARD]`],
    [
      "a limit that is given twice",
      section("limits", "pids[] = 1", "pids[] = 2"),
      `${path}: limits pids is given more than once`,
    ],
    ["a key with an escape sequence", section("limits", "\u001b[2J = 1"), `${path}: limits \\u001b[2J is not known`],
  ])("%s is an error with file, section and key", (_, text, message) => {
    const error = errorOf(() => parse(text));
    expect([error.code, error.message.slice(0, message.length)]).toEqual(["E_SETTINGS", message]);
  });
});
