// biome-ignore-all lint/suspicious/noTemplateCurlyInString: string templates are the subject here
import { describe, expect, it } from "vitest";
import { parseContract } from "../../src/contract/contract.ts";
import { renderConfig, renderUnit } from "../../src/contract/template.ts";
import { forcedVariables, parseSet, planValues } from "../../src/contract/values.ts";
import { errorOf, exportsOf, host, stringTemplate } from "./contracts.ts";

function manifestOf(defaultValues: unknown) {
  return parseContract(exportsOf({ "manifest.json": JSON.stringify({ defaultValues }) })).manifest;
}

describe("parseSet", () => {
  it("12: splits at the first = and keeps the last of a name", () => {
    expect(parseSet(["A=b=c", "E=", "A=d=", "_x1=$NAME"])).toEqual(
      new Map([
        ["A", "d="],
        ["E", ""],
        ["_x1", "$NAME"],
      ]),
    );
  });

  it.each(["A", "", "=x", "A B=x", "1A=x", "a-b=x", "é=x"])("12: refuses --set %j with the expected form", (text) => {
    const error = errorOf(() => parseSet(["OK=1", text]));
    expect(error.code).toBe("E_SET");
    expect(error.message).toContain("Expected form NAME=VALUE");
  });

  it("never repeats what may be a secret", () => {
    const error = errorOf(() => parseSet(["PASS WORD=hunter2"]));
    expect(error.message + error.hint).not.toContain("hunter2");
  });

  it.each(forcedVariables.map((name) => [name]))("14: refuses --set %s, which keelson sets itself", (name) => {
    const error = errorOf(() => parseSet([`${name}=x`]));
    expect(error.code).toBe("E_SET");
    expect(error.message).toContain(name);
    expect(error.hint).toContain(name === "NAME" ? "--name" : `--set ${name}`);
  });
});

describe("planValues", () => {
  const none = manifestOf({});

  it("15: provides run, configuration and state directories, pid file, uid and gid", () => {
    const values = planValues(none, new Map(), host);
    const expected = {
      RUN_DIRECTORY: "/run",
      CONF_DIRECTORY: "/etc",
      STATE_DIRECTORY: "/var/lib",
      PIDFILE: "/run/container-etcd.pid",
      HOST_UID: 0,
      HOST_GID: 0,
      NAME: "etcd",
      DESTDIR: host.destdir,
      RUNTIME: "/usr/bin/runc",
      ATOMIC: "/usr/bin/keelson",
      KEELSON: "/usr/bin/keelson",
      EXEC_START: host.execStart,
      EXEC_STOP: host.execStop,
      EXEC_STARTPRE: "",
      EXEC_STOPPOST: "",
      IMAGE_NAME: host.imageName,
      IMAGE_ID: host.imageId,
      UUID: host.uuid,
      INSTANCE: "",
      ALL_PROCESS_CAPABILITIES: ["CAP_CHOWN", "CAP_KILL"],
    };
    expect(Object.fromEntries([...values].map(([name, { value }]) => [name, value]))).toEqual(expected);
    expect(new Set([...values.values()].map(({ origin }) => origin))).toEqual(new Set(["keelson"]));
  });

  it("3: --set wins over the image's default, and what is not set keeps the default", () => {
    const values = planValues(manifestOf({ RECEIVER: "World", PORT: 8081 }), parseSet(["RECEIVER=x"]), host);
    expect(values.get("RECEIVER")).toEqual({ value: "x", origin: "set" });
    expect(values.get("PORT")).toEqual({ value: 8081, origin: "default" });
  });

  it("built-in values win over the image's defaults, and --set over both", () => {
    const manifest = manifestOf({ CONF_DIRECTORY: "/opt", PIDFILE: "/x" });
    expect(planValues(manifest, new Map(), host).get("CONF_DIRECTORY")?.value).toBe("/etc");
    expect(planValues(manifest, parseSet(["CONF_DIRECTORY=/srv"]), host).get("CONF_DIRECTORY")?.value).toBe("/srv");
    expect(planValues(manifest, parseSet(["PIDFILE=/p"]), host).get("PIDFILE")?.value).toBe("/p");
  });

  it("14: neither --set nor a default replaces a forced variable", () => {
    for (const name of forcedVariables) {
      const values = planValues(manifestOf({ [name]: "theirs" }), new Map([[name, "yours"]]), host);
      expect(values.get(name)?.origin).toBe("keelson");
      expect(String(values.get(name)?.value)).not.toMatch(/theirs|yours/);
    }
  });

  it("17: UUID is the one given, unless the image or --set has one", () => {
    expect(planValues(none, new Map(), host).get("UUID")?.value).toBe(host.uuid);
    expect(planValues(manifestOf({ UUID: "mine" }), new Map(), host).get("UUID")?.value).toBe("mine");
    expect(planValues(manifestOf({ UUID: "mine" }), parseSet(["UUID=u"]), host).get("UUID")?.value).toBe("u");
  });

  it("16: ALL_PROCESS_CAPABILITIES renders to a JSON list in brackets, an empty one too", () => {
    const template = stringTemplate('{"bounding": [\n${ALL_PROCESS_CAPABILITIES}]}');
    expect(JSON.parse(renderConfig(template, planValues(none, new Map(), host)))).toEqual({
      bounding: ["CAP_CHOWN", "CAP_KILL"],
    });
    const bare = planValues(none, new Map(), { ...host, capabilities: [] });
    expect(JSON.parse(renderConfig(template, bare))).toEqual({ bounding: [] });
  });

  it("names such as constructor and __proto__ are names like others", () => {
    const manifest = parseContract(
      exportsOf({ "manifest.json": '{"defaultValues": {"__proto__": "p", "constructor": "c"}}' }),
    ).manifest;
    const values = planValues(manifest, new Map(), host);
    expect(renderUnit(stringTemplate("$__proto__ $constructor"), values)).toBe("p c");
    expect(values.get("toString")).toBeUndefined();
  });
});
