import { KeelsonError, printable } from "../errors.ts";
import { type Digest, digestOf } from "../image/digest.ts";
import { isObject } from "../image/json.ts";
import type { RegistryReference } from "../image/reference.ts";
import type { Credentials } from "./credential-helper.ts";
import type { HttpResponse } from "./http.ts";
import type { SourceOptions } from "./options.ts";
import { ownEndpoint } from "./own-endpoint.ts";
import { namedOf, openRegistry } from "./registry.ts";
import { readBody } from "./registry-answer.ts";
import { openRepository } from "./repository.ts";

const pageLimit = 4 * 1024 * 1024;
const tagLimit = 1_000_000;

/** Every tag of a repository, in the registry's order. Throws E_REGISTRY, E_AUTH, E_LIMIT. */
export async function listTags(
  asked: Pick<RegistryReference, "host" | "repository">,
  given: SourceOptions,
): Promise<readonly string[]> {
  const { host, repository: path } = asked;
  const { reference: named, options } = await ownEndpoint({ kind: "registry", host, repository: path }, given);
  const repository = openRepository(namedOf(named), options);
  const tags: string[] = [];
  try {
    let next: string | undefined = "tags/list";
    while (next !== undefined) {
      next = await repository.get(next, { accept: "application/json" }, async (response) => {
        if (response.status !== 200) throw await repository.failure(response);
        tags.push(...(await readTags(response, named.host)));
        return nextPage(response);
      });
      if (tags.length > tagLimit) throw tooMany(named);
    }
    return tags;
  } finally {
    repository.close();
  }
}

/** Removes the manifest that a reference names, and with it every other tag of it; its digest. Throws E_REGISTRY, E_AUTH. */
export async function deleteImage(asked: RegistryReference, given: SourceOptions): Promise<Digest> {
  const { reference, options } = await ownEndpoint(asked, given);
  const digest = reference.digest ?? (await topDigest(reference, options));
  const repository = openRepository(namedOf(reference), options, "pull,delete");
  try {
    await repository.send({ method: "DELETE", path: `manifests/${digest}` }, async (response) => {
      if (response.status !== 202 && response.status !== 200) throw await repository.failure(response);
      response.discard();
    });
    return digest;
  } finally {
    repository.close();
  }
}

/** Asks the registry at `host` whether it knows these credentials. Throws E_AUTH when not, E_REGISTRY. */
export async function checkLogin(host: string, credentials: Credentials, given: SourceOptions): Promise<void> {
  // Only whether it is spoken to, and how: credentials are kept for the host that they are given to.
  const { options } = await ownEndpoint({ kind: "registry", host, repository: "any" }, given);
  const repository = openRepository({ host, repository: "" }, { ...options, credentials, authFiles: [] }, "");
  try {
    await repository.get("/v2/", {}, async (response) => {
      if (response.status !== 200) throw await repository.failure(response);
      response.discard();
    });
  } finally {
    repository.close();
  }
}

async function topDigest(reference: RegistryReference, options: SourceOptions): Promise<Digest> {
  const source = openRegistry(reference, options);
  try {
    return digestOf((await source.readTop()).bytes);
  } finally {
    await source.close();
  }
}

async function readTags(response: HttpResponse, host: string): Promise<readonly string[]> {
  const bytes = await readBody(response, pageLimit);
  let document: unknown;
  try {
    document = JSON.parse(bytes?.toString("utf8") ?? "");
  } catch {
    // Told below, with what else is no list of tags.
  }
  // A repository without tags has null.
  const tags: unknown = isObject(document) ? (document.tags ?? []) : undefined;
  if (Array.isArray(tags) && tags.every((tag) => typeof tag === "string")) return tags;
  throw new KeelsonError("E_REGISTRY", `${printable(host)} answered with something else than a list of tags`, {
    hint: "Check that the host is a container registry.",
  });
}

/** https://www.rfc-editor.org/rfc/rfc8288; undefined on the last page. */
function nextPage(response: HttpResponse): string | undefined {
  const target = /<([^>]*)>\s*;[^,]*\brel="?next"?/i.exec(String(response.headers.link ?? ""))?.[1];
  return target === undefined ? undefined : new URL(target, response.url).href;
}

function tooMany({ host, repository }: Pick<RegistryReference, "host" | "repository">): KeelsonError {
  return new KeelsonError("E_LIMIT", `${host}/${repository} has more than ${tagLimit} tags`, {
    hint: "The registry may repeat itself; ask its operator.",
  });
}
