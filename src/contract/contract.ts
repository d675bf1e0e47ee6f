import { type ErrorCode, KeelsonError, printable } from "../errors.ts";
import type { Json } from "../image/json.ts";
import type { Exports, HostfsEntry } from "./exports.ts";
import { latin1Of, matchesPattern, renamedPath, textOf } from "./host-path.ts";
import { type ContractManifest, parseContractManifest } from "./manifest.ts";
import { renderText, type Template, variablesIn } from "./template.ts";
import { builtInVariables, forcedVariables, weakVariables } from "./values.ts";

/** What an image asks of its host: the well-formed content of its /exports. */
export interface Contract {
  readonly unit?: Template;
  /** What starts the service, when there is a connection or it is time. */
  readonly socket?: Template;
  readonly timer?: Template;
  /** Of kind "verbatim" when the image brings config.json itself. */
  readonly config?: Template;
  /** Present though empty when the image wants no tmpfiles.d file. */
  readonly tmpfiles?: Template;
  readonly manifest: ContractManifest;
  readonly hostfs: readonly HostfsEntry[];
}

/** The variables that an image's files name, each in one of three groups, in byte order. */
export interface ContractVariables {
  /** With the image's default: a string as it is, any other value as JSON. */
  readonly overridable: ReadonlyMap<string, string>;
  /** To be given with --set. */
  readonly required: readonly string[];
  /** Set by keelson. */
  readonly provided: readonly string[];
}

/**
 * Reads what was found in /exports. Throws one error with all defects: E_CONTRACT, or E_TEMPLATE when all of them are bad
 * template syntax.
 */
export function parseContract(exports: Exports): Contract {
  const problems: string[] = [];
  const manifest = parseContractManifest(exports.controls.get("manifest.json"), problems);
  const templateOf = (base: string): { readonly template?: Template } => {
    const template = controlTemplate(exports, base, problems);
    return template === undefined ? {} : { template };
  };
  const verbatim = exports.controls.get("config.json");
  const unit = templateOf("service").template;
  const socket = templateOf("socket").template;
  const timer = templateOf("timer").template;
  const rendered = templateOf("config.json").template;
  const config: Template | undefined =
    verbatim === undefined ? rendered : { kind: "verbatim", name: "/exports/config.json", text: verbatim };
  const tmpfiles = templateOf("tmpfiles").template;
  const contract: Contract = {
    ...(unit === undefined ? {} : { unit }),
    ...(socket === undefined ? {} : { socket }),
    ...(timer === undefined ? {} : { timer }),
    ...(config === undefined ? {} : { config }),
    ...(tmpfiles === undefined ? {} : { tmpfiles }),
    manifest,
    hostfs: exports.hostfs,
  };
  const badSyntax = [...controlTemplates(contract), ...renameTemplates(manifest)].flatMap(syntaxProblem);
  if (problems.length > 0) throw contractError("E_CONTRACT", [...problems, ...badSyntax]);
  if (badSyntax.length > 0) throw contractError("E_TEMPLATE", badSyntax);
  return contract;
}

/** The variables that the image's control files, templated host files and renamed paths name. Throws E_TEMPLATE. */
export function variablesOf(contract: Contract): ContractVariables {
  const { manifest } = contract;
  const templates = [...controlTemplates(contract), ...renameTemplates(manifest), ...hostTemplates(contract)];
  const names = [...new Set(templates.flatMap(variablesIn))].sort();
  const overridable = new Map<string, string>();
  const required: string[] = [];
  const provided: string[] = [];
  for (const name of names) {
    const value = manifest.defaultValues.get(name);
    if (forcedVariables.includes(name) || builtInVariables.includes(name)) provided.push(name);
    else if (value !== undefined) overridable.set(name, defaultText(value));
    else if (weakVariables.includes(name)) provided.push(name);
    else required.push(name);
  }
  return { overridable, required, provided };
}

/** The template of the path that `renameFiles` gives to a host file. */
export function renameTemplate(text: string): Template {
  return { kind: "string-template", name: "/exports/manifest.json", text };
}

/** The content of a host file as a template. Throws E_TEMPLATE when it is not text. */
export function hostTemplate(file: HostfsEntry & { readonly kind: "file" }): Template {
  const name = `/exports/hostfs${printable(textOf(file.path))}`;
  try {
    return { kind: "string-template", name, text: file.text() };
  } catch (error) {
    const why = error instanceof Error ? `: ${printable(error.message)}` : "";
    throw new KeelsonError("E_TEMPLATE", `${name} is listed in installedFilesTemplate and is not text${why}`, {
      hint: "Take it out of installedFilesTemplate, or store it as UTF-8 of at most 1 MiB; build the image again.",
      cause: error,
    });
  }
}

function controlTemplate(exports: Exports, base: string, problems: string[]): Template | undefined {
  const plain = exports.controls.get(`${base}.template`);
  const handlebars = exports.controls.get(`${base}.hbs`);
  if (plain !== undefined && handlebars !== undefined) {
    problems.push(`/exports holds both ${base}.template and ${base}.hbs`);
  }
  if (plain?.includes("\0")) problems.push(`/exports/${base}.template holds a NUL character`);
  if (handlebars?.includes("\0")) problems.push(`/exports/${base}.hbs holds a NUL character`);
  if (plain !== undefined) return { kind: "string-template", name: `/exports/${base}.template`, text: plain };
  if (handlebars !== undefined) return { kind: "handlebars", name: `/exports/${base}.hbs`, text: handlebars };
  return undefined;
}

function controlTemplates({ unit, socket, timer, config, tmpfiles }: Contract): readonly Template[] {
  return [unit, socket, timer, config, tmpfiles].filter((template) => template !== undefined);
}

function renameTemplates(manifest: ContractManifest): readonly Template[] {
  return [...manifest.renameFiles.values()].map(renameTemplate);
}

/** The host files that may be templates, whatever text the variables in renamed paths turn out to be. */
function hostTemplates({ hostfs, manifest }: Contract): readonly Template[] {
  const wildcard = "\0";
  const listed = manifest.installedFilesTemplate.map(latin1Of);
  if (listed.length === 0) return [];
  const renames = new Map(
    [...manifest.renameFiles].map(([path, text]) => {
      const template = renameTemplate(text);
      const anything = variablesIn(template).map((name) => [name, { value: wildcard, origin: "keelson" }] as const);
      return [latin1Of(path), latin1Of(renderText(template, new Map(anything)))];
    }),
  );
  return hostfs
    .filter((entry) => entry.kind === "file")
    .filter(({ path }) => listed.some((text) => matchesPattern(renamedPath(path, renames), wildcard, text)))
    .map(hostTemplate);
}

function syntaxProblem(template: Template): readonly string[] {
  try {
    variablesIn(template);
    return [];
  } catch (error) {
    if (error instanceof KeelsonError && error.code === "E_TEMPLATE") return [error.message];
    throw error;
  }
}

function defaultText(value: Json): string {
  return typeof value === "string" ? value : JSON.stringify(value);
}

function contractError(code: ErrorCode, problems: readonly string[]): KeelsonError {
  return new KeelsonError(code, problems.join("; "), {
    hint: "The image's /exports has to be corrected and the image built again.",
  });
}
