import { createHash } from "node:crypto";
import type { Deployment, FileContent } from "./deployment.ts";

/** What has to stand at a path of the host. */
export type ExpectedFile =
  | {
      readonly kind: "file";
      readonly path: string;
      readonly mode: number;
      readonly sha256: string;
      readonly content: FileContent;
    }
  | { readonly kind: "symlink"; readonly path: string; readonly target: string };

/** Beside the tree of a deployment, in its `directory`. */
export function deployedFiles(deployment: Deployment, directory: string): readonly ExpectedFile[] {
  const { config, rootfs } = deployment;
  return [
    expectedText(`${directory}/config.json`, config, 0o600),
    ...(rootfs === undefined ? [] : [{ kind: "symlink", path: `${directory}/rootfs`, target: rootfs } as const]),
  ];
}

/** Where the host uses the deployment that is current: its unit, the links that enable it, tmpfiles lines, host files. */
export function installedFiles({ service, tmpfiles, hostFiles }: Deployment): readonly ExpectedFile[] {
  const texts = [tmpfiles, service].filter((file) => file !== undefined);
  const links = service?.enabled ? service.links : [];
  return [
    ...texts.map(({ path, text }) => expectedText(path, text, 0o644)),
    ...links.map(({ path, target }) => ({ kind: "symlink", path, target }) as const),
    ...hostFiles.filter(({ foreign }) => !foreign).map(({ foreign: _, ...file }) => file),
  ];
}

function expectedText(path: string, text: string, mode: number): ExpectedFile {
  const sha256 = createHash("sha256").update(text).digest("hex");
  return { kind: "file", path, mode, sha256, content: { kind: "text", text } };
}
