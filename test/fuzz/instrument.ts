import ts from "typescript";

/** A source with counters in it, on the lines that everything was on. */
export interface Instrumented {
  readonly text: string;
  /** Counters that it has. */
  readonly sites: number;
  /** Its string literals: words of the format it reads, most of them. */
  readonly words: readonly string[];
}

/** What counters are called in instrumented sources; also the global variable that holds them, one byte each. */
export const hitsName = "__keelsonHits";

interface Edit {
  readonly at: number;
  readonly text: string;
}

/**
 * Puts a counter where each function, branch, operand, loop and case begins, numbered from `first`. Only text is added and no
 * line, so types and the lines of stacks stay as they are.
 */
export function instrument(path: string, source: string, first: number): Instrumented {
  const file = ts.createSourceFile(path, source, ts.ScriptTarget.Latest, true);
  const edits: Edit[] = [];
  const words = new Set<string>();
  let sites = 0;
  const count = (): string => `${hitsName}[${first + sites++}]++`;
  const visit = (node: ts.Node): void => {
    if (ts.isStringLiteralLike(node) && !ts.isImportDeclaration(node.parent)) words.add(node.text);
    const closes: Edit[] = [];
    for (const { part, how } of partsOf(node)) {
      if (how === "block") edits.push({ at: part.getStart(file) + 1, text: `${count()};` });
      else {
        const [open, close] = how === "statement" ? [`{${count()};`, "}"] : [`(${count()},`, ")"];
        edits.push({ at: part.getStart(file), text: open });
        closes.push({ at: part.getEnd(), text: close });
      }
    }
    if (ts.isCaseOrDefaultClause(node))
      edits.push({ at: node.statements[0]?.getStart(file) ?? node.getEnd(), text: `${count()};` });
    ts.forEachChild(node, visit);
    edits.push(...closes);
    if (ts.isIfStatement(node) && node.elseStatement === undefined)
      edits.push({ at: node.getEnd(), text: ` else{${count()}}` });
  };
  visit(file);
  return { text: `const ${hitsName}=globalThis.${hitsName};${edited(source, edits)}`, sites, words: [...words] };
}

/** What of a node runs only sometimes, and how a counter gets into it. */
function partsOf(
  node: ts.Node,
): readonly { readonly part: ts.Node; readonly how: "block" | "statement" | "operand" }[] {
  const inside = (part: ts.Statement | undefined): ReturnType<typeof partsOf> =>
    part === undefined ? [] : [{ part, how: ts.isBlock(part) ? "block" : "statement" }];
  if (ts.isIfStatement(node)) return [...inside(node.thenStatement), ...inside(node.elseStatement)];
  if (ts.isIterationStatement(node, false)) return inside(node.statement);
  if (ts.isCatchClause(node)) return inside(node.block);
  if (ts.isConditionalExpression(node))
    return [node.whenTrue, node.whenFalse].map((part) => ({ part, how: "operand" as const }));
  if (ts.isBinaryExpression(node) && choosing.has(node.operatorToken.kind))
    return [{ part: node.right, how: "operand" }];
  if (!ts.isFunctionLike(node) || !("body" in node) || node.body === undefined) return [];
  const body = node.body as ts.ConciseBody;
  return [{ part: body, how: ts.isBlock(body) ? "block" : "operand" }];
}

/** Operators whose right side is not always asked. */
const choosing: ReadonlySet<ts.SyntaxKind> = new Set([
  ts.SyntaxKind.AmpersandAmpersandToken,
  ts.SyntaxKind.BarBarToken,
  ts.SyntaxKind.QuestionQuestionToken,
]);

function edited(source: string, edits: readonly Edit[]): string {
  let [text, from] = ["", 0];
  // What goes to one place stays in the order it was asked for.
  for (const { at, text: piece } of edits.toSorted((a, b) => a.at - b.at)) {
    text += source.slice(from, at) + piece;
    from = at;
  }
  return text + source.slice(from);
}
