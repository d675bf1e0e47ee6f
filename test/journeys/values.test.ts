import { readFile } from "node:fs/promises";
import { beforeAll, describe, expect, it } from "vitest";
import { configTemplate, contractManifest, etcdLike, serviceTemplate } from "../bed/etcd-like.ts";
import { openShelf } from "../bed/image-shelf.ts";
import type { TestImage } from "../bed/images.ts";
import { type Host, makeHost } from "../bed/journey.ts";

const shelf = openShelf();
let etcd: TestImage;

const words = [
  "A=$A",
  "BRACED=$".concat("{A}"),
  "DOLLAR=$$A",
  "PLACES=$RUN_DIRECTORY $CONF_DIRECTORY $STATE_DIRECTORY",
  "PIDFILE=$PIDFILE",
  "IDS=$HOST_UID:$HOST_GID",
];
const config = configTemplate(words).replace(
  '"terminal": false',
  '"terminal": false, "capabilities": { "bounding": [$ALL_PROCESS_CAPABILITIES] }',
);
const manifest = {
  ...contractManifest,
  defaultValues: { ...contractManifest.defaultValues, A: "a", STATE_DIRECTORY: "/srv" },
};

beforeAll(async () => {
  const files = { "exports/config.json.template": config, "exports/manifest.json": JSON.stringify(manifest) };
  etcd = await shelf.build({ layers: [etcdLike(files)] });
});

const setOf = (...assignments: readonly string[]): readonly string[] => assignments.flatMap((each) => ["--set", each]);

/** Installs the image as foo and gives config.json's process. */
async function processOf(host: Host, ...assignments: readonly string[]): Promise<Process> {
  await host.answer("install", "--name", "foo", ...setOf(...assignments), etcd.reference);
  return JSON.parse(host.read("/var/lib/keelson/deployments/foo/current/config.json")).process;
}

interface Process {
  readonly env: readonly string[];
  readonly capabilities: { readonly bounding: readonly string[] };
}

it("3: a value given with --set stands in config.json and in the record, others have the manifest's defaults", async () => {
  const host = await makeHost();
  const { env } = await processOf(host, "RECEIVER=x");

  expect(env).toEqual(expect.arrayContaining(["RECEIVER=x", "PORT=2379"]));
  const { values, set } = await host.answer<{ values: object; set: object }>("info", "foo");
  expect(values).toMatchObject({ RECEIVER: "x", PORT: "2379" });
  expect(set).toEqual({ RECEIVER: "x" });
});

describe("a variable without value", () => {
  it.each([
    ["4", "config.json.template", configTemplate(["M=$MISSING"])],
    ["5", "service.template", serviceTemplate.replace("Etcd Server", "$MISSING")],
    ["5", "tmpfiles.template", "d /var/lib/$MISSING 0700 0 0 - -\n"],
    ["5", "hostfs/etc/etcd/etcd.conf", "$MISSING\n"],
  ])("%s: in %s is named with its file, and nothing is left", async (_, file, text) => {
    const image = await shelf.build({ layers: [etcdLike({ [`exports/${file}`]: text })] });
    const host = await makeHost();
    const failure = await host.refused(1, "install", "--name", "foo", image.reference);

    expect(failure.code).toBe("E_VALUE_MISSING");
    expect(failure.message).toContain(`/exports/${file}`);
    expect(failure.message).toContain("MISSING");
  });
});

it.each([
  ["root.readonly=false", { readonly: false, path: "rootfs" }, "Only readonly images are supported"],
  ["root.path outside", { readonly: true, path: "../../.." }, "Path must be 'rootfs'"],
  ["no root at all", undefined, "Only readonly images are supported"],
])("8: a config.json with %s is refused", async (_, root, message) => {
  const document = { ...JSON.parse(configTemplate()), root };
  const image = await shelf.build({ layers: [etcdLike({ "exports/config.json.template": JSON.stringify(document) })] });
  const host = await makeHost();

  expect(await host.refused(1, "install", "--name", "foo", image.reference)).toMatchObject({
    code: "E_CONFIG",
    message: expect.stringMatching(/^\/exports\/config\.json\.template: Invalid configuration file\. /),
  });
  expect((await host.refused(1, "install", "--name", "foo", image.reference)).message).toContain(message);
});

it("11: $$ renders $, and $NAME and its braced form are the same", async () => {
  const { env } = await processOf(await makeHost(), "A=1");
  expect(env).toEqual(expect.arrayContaining(["A=1", "BRACED=1", "DOLLAR=$A"]));
});

it("11: a dollar sign before anything else is an error with line and column", async () => {
  const template = serviceTemplate.replace("Restart=on-failure", "ExecReload=/bin/sh -c $(true)");
  const image = await shelf.build({ layers: [etcdLike({ "exports/service.template": template })] });
  const failure = await (await makeHost()).refused(1, "install", "--name", "foo", image.reference);

  const line = template.split("\n").findIndex((each) => each.startsWith("ExecReload")) + 1;
  expect(failure.code).toBe("E_TEMPLATE");
  expect(failure.message).toContain(`/exports/service.template: Invalid placeholder in string: line ${line}, col 23`);
});

it("12: a value is rendered once, and all of it behind the first equals sign", async () => {
  const { env } = await processOf(await makeHost(), "A=a$NAME", "RECEIVER=b=c");
  expect(env).toEqual(expect.arrayContaining(["A=a$NAME", "RECEIVER=b=c"]));
});

it.each([["A"], ["=x"], ["1A=x"], ["A B=x"]])("12: --set %j is no assignment", async (assignment) => {
  const host = await makeHost();
  expect(await host.refused(2, "install", "--name", "foo", "--set", assignment, etcd.reference)).toMatchObject({
    code: "E_SET",
    message: expect.stringContaining("Expected form NAME=VALUE"),
  });
});

it("13: quotes, backslashes and control characters of a value are escaped in a JSON string", async () => {
  const value = 'a"b\\c\n\t\u0001 ü';
  const { env } = await processOf(await makeHost(), `A=${value}`);
  expect(env).toContain(`A=${value}`);
});

it("13: a value cannot leave its string for another key", async () => {
  const host = await makeHost();
  const value = 'x"], "cwd": "/etc", "env": ["';
  const { env, ...rest } = await processOf(host, `A=${value}`);
  expect(env).toContain(`A=${value}`);
  expect(rest).toMatchObject({ cwd: "/" });
});

it("a newline in a value never adds a line to a unit", async () => {
  const template = serviceTemplate.replace("Etcd Server", "$RECEIVER");
  const image = await shelf.build({ layers: [etcdLike({ "exports/service.template": template })] });
  const host = await makeHost();
  const value = "x\n[Service]\nExecStartPre=/bin/touch /pwned";
  const failure = await host.refused(1, "install", "--name", "foo", "--set", `RECEIVER=${value}`, image.reference);
  expect(failure.code).toBe("E_VALUE");
});

it.each([["NAME"], ["DESTDIR"], ["EXEC_START"], ["IMAGE_ID"], ["HOST_UID"]])(
  "14: --set %s=x is an error, as keelson sets it",
  async (name) => {
    const host = await makeHost();
    expect(await host.refused(2, "install", "--name", "foo", "--set", `${name}=x`, etcd.reference)).toMatchObject({
      code: "E_SET",
      message: expect.stringContaining(name),
    });
  },
);

it("15: places and ids have their built-in values, whatever the image's defaults say", async () => {
  const { env } = await processOf(await makeHost());
  expect(env).toEqual(
    expect.arrayContaining(["PLACES=/run /etc /var/lib", "PIDFILE=/run/container-foo.pid", "IDS=0:0"]),
  );
});

it("16: ALL_PROCESS_CAPABILITIES is a JSON list of what the kernel knows", async () => {
  const { capabilities } = await processOf(await makeHost());
  const last = Number(await readFile("/proc/sys/kernel/cap_last_cap", "utf8"));

  expect(capabilities.bounding).toHaveLength(last + 1);
  expect(capabilities.bounding.slice(0, 3)).toEqual(["CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_DAC_READ_SEARCH"]);
  expect(new Set(capabilities.bounding).size).toBe(last + 1);
});

it("17: UUID is a version 4 UUID, another for each install of one image", async () => {
  const host = await makeHost();
  await host.answer("install", "--name", "one", etcd.reference);
  await host.answer("install", "--name", "two", etcd.reference);
  const uuids = ["one", "two"].map((name) => {
    const { env } = JSON.parse(host.read(`/var/lib/keelson/deployments/${name}/current/config.json`)).process;
    return env.find((word: string) => word.startsWith("UUID="));
  });

  expect(uuids[0]).toMatch(/^UUID=[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
  expect(uuids[1]).not.toBe(uuids[0]);
  expect(host.read("/var/lib/keelson/deployments/one/current/deployment.json")).toContain(uuids[0].slice(5));
});

it("21: without a tmpfiles template the missing sources of bind mounts are made by generated lines", async () => {
  const mounts = ["/var/lib/made", "/etc"].map((source) => ({
    destination: source,
    type: "bind",
    source,
    options: ["rbind"],
  }));
  const files = { "exports/config.json.template": configTemplate([], mounts), "exports/tmpfiles.template": undefined };
  const image = await shelf.build({ layers: [etcdLike(files)] });
  const host = await makeHost();
  await host.answer("install", "--name", "foo", image.reference);

  expect(host.read("/etc/tmpfiles.d/keelson-foo.conf")).toBe("d /var/lib/made 0700 0 0 - -\n");
});

it("21: an empty tmpfiles template makes no tmpfiles file", async () => {
  const image = await shelf.build({ layers: [etcdLike({ "exports/tmpfiles.template": "" })] });
  const host = await makeHost();
  await host.answer("install", "--name", "foo", image.reference);

  expect(host.has("/etc/tmpfiles.d")).toBe(false);
});
