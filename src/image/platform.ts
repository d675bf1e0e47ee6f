import { KeelsonError, printable } from "../errors.ts";

/** https://github.com/opencontainers/image-spec/blob/main/image-index.md, names as in Go's GOOS and GOARCH. */
export interface Platform {
  readonly os: string;
  readonly architecture: string;
  readonly variant?: string;
}

/** Reads `OS/ARCH[/VARIANT]`; `x86_64` and `aarch64` are taken as the names people type. Throws E_PLATFORM. */
export function parsePlatform(text: string): Platform {
  const parts = text.split("/");
  const [os, architecture, variant] = parts;
  if (parts.length > 3 || !os || !architecture || variant === "" || !/^[a-z0-9/_.-]+$/.test(text)) {
    throw new KeelsonError("E_PLATFORM", `${printable(text)} is not a platform`, {
      hint: "Write OS/ARCHITECTURE or OS/ARCHITECTURE/VARIANT, such as linux/amd64 or linux/arm/v7.",
    });
  }
  const known: Record<string, string> = { x86_64: "amd64", aarch64: "arm64", i386: "386" };
  return platformOf(os, known[architecture] ?? architecture, variant);
}

export function formatPlatform(platform: Platform): string {
  const { os, architecture, variant } = platform;
  return variant === undefined ? `${os}/${architecture}` : `${os}/${architecture}/${variant}`;
}

/** The platform of a host with Node's `process.arch`; arm is taken as v7, which Debian's armhf needs. */
export function hostPlatform(nodeArchitecture: string): Platform {
  const names: Record<string, string> = { x64: "amd64", ia32: "386", ppc64: "ppc64le" };
  return platformOf(
    "linux",
    names[nodeArchitecture] ?? nodeArchitecture,
    nodeArchitecture === "arm" ? "v7" : undefined,
  );
}

/**
 * How well `offered` serves `wanted`: 0 not at all, higher is better. An older variant serves (arm v6 on v7, amd64 v1
 * on v3), a newer one does not; arm64 without a variant is v8, amd64 without one is v1.
 */
export function platformRank(wanted: Platform, offered: Platform): number {
  if (offered.os !== wanted.os || offered.architecture !== wanted.architecture) return 0;
  const want = variantNumber(wanted);
  const offer = variantNumber(offered);
  if (want === undefined || offer === undefined) return wanted.variant === offered.variant ? 1 : 0;
  return offer <= want ? 1 + offer : 0;
}

function variantNumber(platform: Platform): number | undefined {
  const assumed: Record<string, string> = { arm64: "v8", amd64: "v1", arm: "v5", "386": "v1" };
  const variant = platform.variant ?? assumed[platform.architecture] ?? "v1";
  const number = /^v?([0-9]+)(?:\.[0-9]+)?$/.exec(variant)?.[1];
  return number === undefined ? undefined : Number(number);
}

function platformOf(os: string, architecture: string, variant: string | undefined): Platform {
  return variant === undefined ? { os, architecture } : { os, architecture, variant };
}
