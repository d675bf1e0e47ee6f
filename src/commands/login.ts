import { mkdirSync, readFileSync, realpathSync } from "node:fs";
import { dirname } from "node:path";
import { errnoOf, KeelsonError, printable } from "../errors.ts";
import { parseReference } from "../image/reference.ts";
import { withLogin, withoutLogin } from "../source/credentials.ts";
import { checkLogin } from "../source/registry-verbs.ts";
import { writeDurably } from "../store/durable.ts";
import type { World } from "../world.ts";

export interface LoginRequest {
  /** A host, or a repository or namespace of one, to which alone the credentials are given. */
  readonly registry: string;
  readonly username?: string | undefined;
  readonly passwordStdin: boolean;
  readonly authfile?: string | undefined;
  readonly tlsVerify: boolean;
}

/** Asks the registry whether it knows the user, and only then writes the password where every tool finds it. */
export async function login(world: World, request: LoginRequest): Promise<void> {
  const { host, key } = parseRegistry(request.registry);
  const { username: user = "" } = request;
  if (user === "" || user.includes(":")) throw usage("login wants the user's name", "Give it with --username.");
  if (!request.passwordStdin) {
    throw usage("login reads the password from standard input only", "Give --password-stdin, and pipe it in.");
  }
  const password = (await world.input()).replace(/\r?\n$/, "");
  if (password === "") throw usage("standard input holds no password", "Pipe the password in.");
  await checkLogin(host, { user, password }, world.sourceOptions(request.tlsVerify));
  const file = fileOf(world, request);
  const text = withLogin(readText(file), file, key, { user, password });
  mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
  writeDurably(file, text, 0o600);
  world.output.answer({ registry: key, user, authFile: file }, ["Login Succeeded!"]);
}

export type LogoutRequest = Pick<LoginRequest, "registry" | "authfile">;

/** Removes the credentials of a registry from the file that login writes. Throws E_NOT_FOUND when it holds none. */
export function logout(world: World, request: LogoutRequest): void {
  const { key } = parseRegistry(request.registry);
  const file = fileOf(world, request);
  const before = readText(file);
  const text = before === undefined ? undefined : withoutLogin(before, file, key);
  if (text === undefined) {
    throw new KeelsonError("E_NOT_FOUND", `${printable(file)} holds no credentials for ${key}`, {
      hint: "Name the file that does with --authfile.",
    });
  }
  writeDurably(file, text, 0o600);
  world.output.answer({ registry: key, authFile: file }, [`Removed login credentials for ${key}`]);
}

function parseRegistry(text: string): { readonly host: string; readonly key: string } {
  const key = text.replace(/^(?:docker|https?):\/\//, "").replace(/\/+$/, "");
  const [host = ""] = key.split("/");
  // The grammar is that of a reference; a host alone is one without its repository.
  const reference = parseReference(`docker://${key === host ? `${host}/any` : key}`);
  if (reference.kind === "registry" && reference.digest === undefined && !/:[^/]*$/.test(key.slice(host.length))) {
    return { host, key };
  }
  throw usage(`${printable(text)} is not a registry`, "Write HOST[:PORT], or HOST[:PORT]/NAMESPACE.");
}

/** Behind a link, if the file is one: the link stays. */
function fileOf(world: World, { authfile }: Pick<LoginRequest, "authfile">): string {
  const file = authfile ?? world.settings.loginFile;
  try {
    return realpathSync(file);
  } catch (error) {
    if (errnoOf(error) === "ENOENT") return file;
    throw error;
  }
}

function readText(file: string): string | undefined {
  try {
    const text = readFileSync(file, "utf8");
    return text.trim() === "" ? undefined : text;
  } catch (error) {
    if (errnoOf(error) === "ENOENT") return undefined;
    throw error;
  }
}

function usage(message: string, hint: string): KeelsonError {
  return new KeelsonError("E_USAGE", message, { hint });
}
