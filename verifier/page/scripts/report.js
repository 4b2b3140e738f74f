// What a verification found: checks with their evidence, altered readings, one verdict.

const FINDINGS_MAX = 20;
const [PASSED, FAILED, UNDECIDED] = ["passed", "failed", "not decidable"];

const TITLES = [
  ["The file is a dossier in its one form", "文件为唯一规定形式的证据档案"],
  ["The aggregator sealed the manifest", "清单由汇聚端封印"],
  ["Every member is the one that the manifest names", "各成员与清单所列一致"],
  ["The log signed the checkpoint", "检查点由日志签名"],
  ["A valid gateway key is named for every bundle", "每个数据包均有有效的网关密钥"],
  ["Every sealed header opens under its key", "每个封印的头部均可由其密钥打开"],
  ["Every body has the hash of its header", "每个数据体与其头部哈希一致"],
  ["Every column leads to the root of its header", "每一列均可追溯至头部的根"],
  ["Every chain is unbroken", "每条链均无中断"],
  ["Nothing was cut off at either side of the lot", "批次两端均无截断"],
  ["The gaps declared are those of the manifest", "声明的缺口与清单一致"],
  ["Every bundle is in the log", "每个数据包均在日志中"],
  ["The record is of this lot and names its series", "批记录属于本批次并列明其序列"],
  ["The record's readings are those of the bundles", "批记录的读数与数据包一致"],
  ["The record's figures follow from its readings", "批记录的数值由其读数得出"],
  ["The signatures are of this record", "电子签名属于本批记录"],
];
const WORDS = {
  en: {
    VERIFIED: "VERIFIED",
    NOT_VERIFIED: "NOT VERIFIED",
    CANNOT_DECIDE: "CANNOT DECIDE",
    [PASSED]: "passed       ",
    [FAILED]: "FAILED       ",
    [UNDECIDED]: "not decidable",
    ALTERED: "Altered readings:",
  },
  zh: {
    VERIFIED: "验证通过 (VERIFIED)",
    NOT_VERIFIED: "验证未通过 (NOT VERIFIED)",
    CANNOT_DECIDE: "无法判定 (CANNOT DECIDE)",
    [PASSED]: "通过    ",
    [FAILED]: "未通过  ",
    [UNDECIDED]: "无法判定",
    ALTERED: "被更改的读数：",
  },
};

/** Return a check: failed where something failed, else undecided where something was. */
function conclude(number, evidence, { failed = [], undecided = [] } = {}) {
  const outcome = failed.length ? FAILED : undecided.length ? UNDECIDED : PASSED;
  const findings = [...failed, ...undecided];
  const more = findings.length - FINDINGS_MAX;
  const listed = findings.slice(0, FINDINGS_MAX);
  if (more > 0) listed.push(`… and ${more} more`);
  return { number, title: TITLES[number - 1][0], outcome, evidence, findings: listed };
}

/** Return the report, as lotproof-verify --json has it. */
function makeReport(subject, checks, altered = []) {
  const outcomes = checks.map((check) => check.outcome);
  const complete = checks.length === TITLES.length && checks.every((check, at) => check.number === at + 1);
  let verdict = "VERIFIED";
  if (outcomes.includes(UNDECIDED) || !complete) verdict = "CANNOT_DECIDE";
  if (outcomes.includes(FAILED) || altered.length) verdict = "NOT_VERIFIED";
  return { verdict, subject, checks, altered };
}

/** Return an altered reading as a sentence. */
function tellAltered(each) {
  const where = `bundle ${each.bundle} of ${each.gateway}, column ${each.column}, reading ${each.index}`;
  const differs = `the record has ${each.recorded ?? "no such reading"}, the bundle ${each.found ?? "none"}`;
  return `${each.signal} at ${each.time}: ${differs} (${where}; the ${each.culprit} was altered)`;
}

/** Return the report as lotproof-verify prints it; `language` is "en" or "zh". */
function toText(report, language) {
  const words = WORDS[language];
  const titles = TITLES.map((title) => title[language === "en" ? 0 : 1]);
  const columns = (text) => [...text].reduce((sum, letter) => sum + (/[\u2e80-\uff60]/.test(letter) ? 2 : 1), 0);
  const width = Math.max(...titles.map(columns));
  const lines = [`${words[report.verdict]}  ${report.subject}`];
  for (const check of report.checks) {
    const title = titles[check.number - 1];
    const space = " ".repeat(width - columns(title) + 2);
    const number = String(check.number).padStart(2);
    lines.push(`${number}  ${words[check.outcome]}  ${title}${space}${check.evidence}`.trimEnd());
    lines.push(...check.findings.map((finding) => `      ${finding}`));
  }
  if (report.altered.length) {
    lines.push(words.ALTERED);
    lines.push(...report.altered.slice(0, FINDINGS_MAX).map((each) => `      ${tellAltered(each)}`));
  }
  const more = report.altered.length - FINDINGS_MAX;
  if (more > 0) lines.push(`      … ${more}`);
  return lines.join("\n");
}

/** Return the report as JSON; a number that a float cannot hold keeps its digits. */
function toJson(report) {
  const whole = (number) => (JSON.rawJSON ? JSON.rawJSON(String(number)) : Number(number));
  return JSON.stringify(report, (_, value) => (typeof value === "bigint" ? whole(value) : value), 2);
}
