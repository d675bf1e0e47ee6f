import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { onTestFinished } from "vitest";
import type { TrustPlaces } from "../../src/source/trust-files.ts";
import { runToEnd } from "./journey.ts";

/** The files of someone who has a policy: read by keelson from their home, by skopeo from where it is told. */
export interface TrustHome {
  readonly places: TrustPlaces;
  /** Where signatures lie unless registries.d says otherwise. */
  readonly lookaside: string;
  /** Puts a signature of an image into the lookaside. */
  place(repository: string, digest: string, number: number, signature: Uint8Array): void;
  /** Whether skopeo lets the image in; what it says otherwise. */
  skopeo(reference: string): Promise<{ readonly accepted: boolean; readonly said: string }>;
}

/** Makes such files, gone when the test is over. `section` is what registries.d says of every image beside its lookaside. */
export function makeTrustHome(policy: object, section: object = {}): TrustHome {
  const home = mkdtempSync(join(tmpdir(), "keelson-home-"));
  onTestFinished(() => rmSync(home, { recursive: true, force: true }));
  const files = join(home, ".config/containers");
  const lookaside = join(home, "lookaside");
  mkdirSync(join(files, "registries.d"), { recursive: true });
  writeFileSync(join(files, "policy.json"), JSON.stringify(policy));
  const registries = { "default-docker": { lookaside: `file://${lookaside}`, ...section } };
  writeFileSync(join(files, "registries.d/default.yaml"), JSON.stringify(registries));
  return {
    places: { prefix: "/nonexistent", home },
    lookaside,
    place(repository, digest, number, signature) {
      const directory = join(lookaside, `${repository}@${digest.replace(":", "=")}`);
      mkdirSync(directory, { recursive: true });
      writeFileSync(join(directory, `signature-${number}`), signature);
    },
    async skopeo(reference) {
      const given = ["--policy", join(files, "policy.json"), "--registries.d", join(files, "registries.d")];
      const target = `dir:${mkdtempSync(join(home, "copy-"))}`;
      const copy = ["copy", "-q", "--src-tls-verify=false", "--remove-signatures", reference, target];
      const { status, stderr } = await runToEnd("skopeo", [...given, ...copy]);
      return { accepted: status === 0, said: stderr };
    },
  };
}
