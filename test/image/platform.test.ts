import { describe, expect, it } from "vitest";
import { choosePlatform, type Index, indexTypes, manifestTypes } from "../../src/image/manifest.ts";
import { formatPlatform, hostPlatform, type Platform, parsePlatform, platformRank } from "../../src/image/platform.ts";

describe("a platform", () => {
  it.each<[string, Platform]>([
    ["linux/amd64", { os: "linux", architecture: "amd64" }],
    ["linux/arm/v7", { os: "linux", architecture: "arm", variant: "v7" }],
    ["linux/x86_64", { os: "linux", architecture: "amd64" }],
    ["linux/aarch64", { os: "linux", architecture: "arm64" }],
    ["linux/i386", { os: "linux", architecture: "386" }],
  ])("%s is read", (text, platform) => {
    expect(parsePlatform(text)).toEqual(platform);
    expect(parsePlatform(formatPlatform(platform))).toEqual(platform);
  });

  it.each([
    "",
    "linux",
    "/amd64",
    "linux/",
    "linux/arm/",
    "linux/arm/v7/x",
    "Linux/amd64",
    "linux/am d64",
    "linux/a\n",
  ])("%j is refused", (text) => {
    expect(() => parsePlatform(text)).toThrow(expect.objectContaining({ code: "E_PLATFORM" }));
  });

  it.each([
    ["x64", "linux/amd64"],
    ["arm64", "linux/arm64"],
    ["arm", "linux/arm/v7"],
    ["ia32", "linux/386"],
    ["s390x", "linux/s390x"],
    ["ppc64", "linux/ppc64le"],
  ])("of a host whose Node says %s is %s", (architecture, platform) => {
    expect(formatPlatform(hostPlatform(architecture))).toBe(platform);
  });

  it.each<[string, string, boolean]>([
    ["linux/amd64", "linux/amd64", true],
    ["linux/amd64", "linux/arm64", false],
    ["linux/amd64", "windows/amd64", false],
    ["linux/arm/v7", "linux/arm/v6", true],
    ["linux/arm/v6", "linux/arm/v7", false],
    ["linux/arm/v7", "linux/arm", true],
    ["linux/arm64", "linux/arm64/v8", true],
    ["linux/arm64/v8", "linux/arm64", true],
    ["linux/arm64", "linux/arm64/v9", false],
    ["linux/amd64/v3", "linux/amd64", true],
    ["linux/amd64/v3", "linux/amd64/v2", true],
    ["linux/amd64", "linux/amd64/v2", false],
    ["linux/riscv64/odd", "linux/riscv64/odd", true],
    ["linux/riscv64/odd", "linux/riscv64/even", false],
  ])("%s runs what is for %s: %s", (wanted, offered, runs) => {
    expect(platformRank(parsePlatform(wanted), parsePlatform(offered)) > 0).toBe(runs);
  });

  it("runs the newest variant that it can best", () => {
    const rank = (offered: string): number => platformRank(parsePlatform("linux/arm/v7"), parsePlatform(offered));
    expect([rank("linux/arm/v7") > rank("linux/arm/v6"), rank("linux/arm/v6") > rank("linux/arm/v5")]).toEqual([
      true,
      true,
    ]);
  });
});

function indexOf(...entries: readonly (readonly [platform: string | undefined, mediaType?: string])[]): Index {
  return {
    kind: "index",
    mediaType: indexTypes[0],
    manifests: entries.map(([platform, mediaType = manifestTypes[0]], at) => ({
      mediaType,
      size: at,
      digest: `sha256:${String(at).repeat(64)}` as const,
      annotations: {},
      ...(platform === undefined ? {} : { platform: parsePlatform(platform) }),
    })),
  };
}

describe("the entry of an index", () => {
  const choose = (index: Index, platform: string): number => choosePlatform(index, parsePlatform(platform), "x").size;

  it.each<[string, Index, string, number]>([
    ["of the platform", indexOf(["linux/arm64"], ["linux/amd64"]), "linux/amd64", 1],
    ["that is the first of two alike", indexOf(["linux/amd64"], ["linux/amd64"]), "linux/amd64", 0],
    ["of the best variant", indexOf(["linux/arm/v5"], ["linux/arm/v7"], ["linux/arm/v6"]), "linux/arm/v7", 1],
    ["not of a newer variant", indexOf(["linux/arm/v7"], ["linux/arm/v6"]), "linux/arm/v6", 1],
    ["that is an index itself", indexOf(["linux/arm64"], ["linux/amd64", indexTypes[1]]), "linux/amd64", 1],
    ["without a platform, when it is the only one", indexOf([undefined]), "linux/amd64", 0],
    ["not of an unknown type", indexOf(["linux/amd64", "application/x-odd"], ["linux/amd64"]), "linux/amd64", 1],
    [
      "without a platform, beside an unknown type",
      indexOf(["linux/amd64", "application/x-odd"], [undefined]),
      "linux/amd64",
      1,
    ],
  ])("chosen is the one %s", (_, index, platform, at) => {
    expect(choose(index, platform)).toBe(at);
  });

  it.each<[string, Index]>([
    ["none is there", indexOf()],
    ["all are for others", indexOf(["linux/arm64"], ["windows/amd64"])],
    ["the only one says another platform", indexOf(["linux/arm64"])],
    ["two say none", indexOf([undefined], [undefined])],
    ["the only one is of an unknown type", indexOf(["linux/amd64", "application/x-odd"])],
  ])("is refused when %s", (_, index) => {
    expect(() => choose(index, "linux/amd64")).toThrow(expect.objectContaining({ code: "E_PLATFORM" }));
  });

  it("is refused with a hint that lists what there is", () => {
    const hint = expect.stringContaining("linux/arm64, linux/arm/v7");
    expect(() => choose(indexOf(["linux/arm64"], ["linux/arm/v7"]), "linux/amd64")).toThrow(
      expect.objectContaining({ hint }),
    );
  });
});
