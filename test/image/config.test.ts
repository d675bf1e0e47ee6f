import { describe, expect, it } from "vitest";
import { parseImageConfig } from "../../src/image/config.ts";

const digest = `sha256:${"b".repeat(64)}`;
const rootfs = { type: "layers", diff_ids: [digest, digest] };
const least = { os: "linux", architecture: "amd64", rootfs };
const refused = expect.objectContaining({ code: "E_MANIFEST" });

function read(document: unknown, layers = 2): ReturnType<typeof parseImageConfig> {
  return parseImageConfig(
    Buffer.from(typeof document === "string" ? document : JSON.stringify(document)),
    layers,
    "test",
  );
}

describe("an image's configuration", () => {
  const nothing = {
    labels: {},
    entrypoint: [],
    command: [],
    environment: [],
    user: "",
    workingDirectory: "",
    volumes: [],
  };

  it("may say no more than its platform and layers", () => {
    const expected = { platform: { os: "linux", architecture: "amd64" }, diffIds: [digest, digest], ...nothing };
    expect(read(least)).toEqual(expected);
    expect(read({ ...least, config: null })).toEqual(expected);
    expect(read({ ...least, config: { Env: null, Cmd: null, Entrypoint: null, Labels: null, Volumes: null } })).toEqual(
      expected,
    );
  });

  it("says how its program is started", () => {
    const config = {
      Entrypoint: ["/bin/a"],
      Cmd: ["-b", ""],
      Env: ["A=1", "B"],
      User: "7:8",
      WorkingDir: "/w",
      StopSignal: "SIGINT",
      Volumes: { "/z": {}, "/a": {} },
      Labels: { a: "1", __proto__x: "2", n: 3 },
      Healthcheck: {},
    };
    expect(read({ ...least, variant: "v2", created: "2026-01-02T03:04:05Z", config })).toEqual({
      platform: { os: "linux", architecture: "amd64", variant: "v2" },
      created: "2026-01-02T03:04:05Z",
      diffIds: [digest, digest],
      labels: { a: "1", __proto__x: "2" },
      entrypoint: ["/bin/a"],
      command: ["-b", ""],
      environment: ["A=1", "B"],
      user: "7:8",
      workingDirectory: "/w",
      stopSignal: "SIGINT",
      volumes: ["/a", "/z"],
    });
  });

  it("takes nothing from __proto__", () => {
    const text = JSON.stringify({ ...least, config: { Labels: { a: "1" } } });
    const { labels, user } = read(text.replace('"Labels":{', '"__proto__":{"User":"0"},"Labels":{"__proto__":"x",'));
    expect([user, labels.a, Object.getPrototypeOf(labels)]).toEqual(["", "1", Object.prototype]);
    expect(({} as { User?: string }).User).toBeUndefined();
  });

  it.each<[string, object]>([
    ["has too few diff ids", { rootfs: { ...rootfs, diff_ids: [digest] } }],
    ["has too many diff ids", { rootfs: { ...rootfs, diff_ids: [digest, digest, digest] } }],
    ["has no diff ids", { rootfs: { type: "layers" } }],
    ["has no root file system", { rootfs: undefined }],
    ["has a root file system of another type", { rootfs: { ...rootfs, type: "chain" } }],
    ["has a diff id in capitals", { rootfs: { ...rootfs, diff_ids: [digest, digest.replaceAll("b", "B")] } }],
    ["has a diff id that is a path", { rootfs: { ...rootfs, diff_ids: [digest, `sha256:../../${"b".repeat(58)}`] } }],
    ["has a diff id that is no text", { rootfs: { ...rootfs, diff_ids: [digest, 1] } }],
    ["has diff ids that are no list", { rootfs: { ...rootfs, diff_ids: { length: 2 } } }],
    ["has no system", { os: undefined }],
    ["has an architecture that is no text", { architecture: 7 }],
    ["has a command that is no list", { config: { Cmd: "sh -c x" } }],
    ["has a command that is not of texts", { config: { Cmd: ["a", 1] } }],
    ["has an environment that is a map", { config: { Env: { A: "1" } } }],
    ["has a user that is a number", { config: { User: 0 } }],
    ["has a working directory that is a list", { config: { WorkingDir: ["/"] } }],
  ])("is refused when it %s", (_, wrong) => {
    expect(() => read({ ...least, ...wrong })).toThrow(refused);
  });

  it("is refused when it is not JSON, or nested without end, or larger than 4 MiB", () => {
    const deep = `${"[".repeat(200_000)}${"]".repeat(200_000)}`;
    const texts = ["", "{", "[]", '"x"', `{"a":${deep}}`, `{"rootfs":{"type":"layers","diff_ids":[${deep}]}}`];
    for (const text of texts) expect(() => read(text, 1)).toThrow(refused);
    const large = { ...least, x: "x".repeat(12 * 1024 * 1024) };
    expect(() => read(large)).toThrow(expect.objectContaining({ code: "E_LIMIT" }));
  });
});
