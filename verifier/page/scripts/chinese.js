// What the page says in Chinese of evidence and findings. The saved reports keep the English of
// lotproof-verify: they are compared word for word.

const SAID_IN_CHINESE = [
  ["lot {0} of {1}: {2} bundles, chains: {3}", "{1} 批次 {0}：{2} 个数据包，{3} 条链"],
  ["{0} bytes that cannot be read as a dossier", "{0} 字节，无法作为证据档案读取"],
  // Evidence, in the order of the checks.
  ["{0} members, {1} bytes", "{0} 个成员，{1} 字节"],
  ["kid {0}", "密钥标识 {0}"],
  ["{0} members", "{0} 个成员"],
  ["{0} at {1} leaves, {2} witnesses", "{0}，{1} 个叶节点，{2} 个见证方"],
  ["{0} keys of {1} gateways, {2} of them named by the policy", "{1} 个网关的 {0} 个密钥，其中 {2} 个网关由信任策略指名"],
  ["{0} seals", "{0} 个封印"],
  ["{0} whole bodies", "{0} 个完整数据体"],
  ["{0} columns", "{0} 列"],
  ["{0} columns; {1} withheld on the aggregator's word", "{0} 列；另有 {1} 列未披露，仅凭汇聚端声明"],
  ["{0} chains, {1} readings", "{0} 条链，{1} 个读数"],
  ["{0} bracketing bundles", "{0} 个前后相邻的数据包"],
  ["{0} gaps", "{0} 处缺口"],
  ["{0} leaves of {1}", "日志 {1} 个叶节点中的 {0} 个"],
  ["{0} parameters", "{0} 个参数"],
  ["{0} readings in {1} series", "{1} 个序列中的 {0} 个读数"],
  ["{0} excursions", "{0} 次超限"],
  ["no signatures", "无电子签名"],
  ["{0} signatures, {1} of earlier versions", "{0} 个电子签名，另有 {1} 个属于较早版本"],
  // Findings; one that is not here stays English.
  ["{0} is not held and named alike", "{0} 的内容与清单所列不一致"],
  ["the file is not what a writer makes of its members: bytes between them differ", "文件并非由其成员按规定写成：成员之间的字节不同"],
  ["the policy names no such key of the aggregator", "信任策略中没有汇聚端的该密钥"],
  ["the policy requires {0} witnesses", "信任策略要求 {0} 个见证方"],
  ["{0}: the manifest names no key {1} that was valid for it", "{0}：清单中没有对其有效的密钥 {1}"],
  ["{0}: the policy does not name its key {1}", "{0}：信任策略未指名其密钥 {1}"],
  ["{0}: its header cannot be read", "{0}：头部无法读取"],
  ["{0}: the body is not the one that the header was sealed with", "{0}：数据体不是封印时的数据体"],
  ["{0} was sealed after another bundle than the one held before it", "{0} 封印时的前一数据包不是所存的前一个"],
  ["{0} starts at another reading number than {1} ends at", "{0} 的起始读数序号与 {1} 的结束序号不衔接"],
  ["{0} is not the head that the manifest states", "{0} 不是清单所列的链头"],
  ["{0}: {1} readings are held, the manifest states {2}", "{0}：存有 {1} 个读数，清单所列为 {2} 个"],
  ["{0} reaches into the lot's window, but is not counted to it", "{0} 延伸到本批的时间窗内，却未计入本批"],
  ["{0} starts in the lot's window, but is not counted to it", "{0} 始于本批的时间窗内，却未计入本批"],
  ["{0}: nothing shows what bundle {1} held", "{0}：无法证明第 {1} 个数据包的内容"],
  ["{0}: the headers declare {1} gaps, the manifest states {2}, and they are not the same", "{0}：头部声明 {1} 处缺口，清单所列为 {2} 处，两者不同"],
  ["no bundle is held, so nothing is proved", "未存数据包，因此无从证明"],
  ["it takes a checkpoint that the log signed (check 4)", "需要由日志签名的检查点（检查 4）"],
  ["it takes a dossier that can be read (check 1)", "需要可以读取的证据档案（检查 1）"],
  ["it takes a record that can be read (check 13)", "需要可以读取的批记录（检查 13）"],
  ["{0} readings differ between the record and the bundles", "批记录与数据包之间有 {0} 个读数不同"],
  ["the record is of lot {0} of {1}, the manifest of {2}", "批记录属于 {1} 批次 {0}，清单属于批次 {2}"],
  ["the record was bound by rule {0}, the manifest states {1}", "批记录按绑定规则 {0} 生成，清单所列为 {1}"],
  ["the record's window is not the manifest's", "批记录的时间窗与清单不同"],
  ["{0}: its series is not the one that the record names by hash", "{0}：其序列不是批记录以哈希指名的序列"],
  ["{0}: the record says {1} {2}, its readings give {3}", "{0}：批记录中 {1} 为 {2}，由读数得出 {3}"],
  ["{0} holds readings of {1} that are the lot's", "{0} 中有属于本批的 {1} 读数"],
  ["{0} is about another record than this one", "{0} 针对的是另一份批记录"],
  ["{0} is not in the log: {1}", "{0} 不在日志中：{1}"],
  ["{0} is about lot {1} of {2}", "{0} 针对的是 {2} 批次 {1}"],
  ["{0} is not proved; the {1} readings of {2} in it are as the record has them", "{0} 未得证明；其中 {2} 的 {1} 个读数与批记录一致"],
  ["{0}: its series has {1} bundles that are not the lot's", "{0}：其序列中有 {1} 个不属于本批的数据包"],
  ["{0}: its series is of {1}", "{0}：其序列属于 {1}"],
  ["{0} cannot be read where it held {1} readings of {2} from {3} to {4}", "{0} 中 {2} 的 {1} 个读数（{3} 至 {4}）无法读取"],
  ["{0}, limit {1}: {2} at {3} is outside, and lies in {4} excursions of the record, not in one", "{0}，限值 {1}：{3} 的 {2} 超限，却处于批记录的 {4} 次超限之中，而非恰为 1 次"],
  ["{0}, limit {1}: the excursion from {2} holds no reading outside", "{0}，限值 {1}：自 {2} 起的超限中没有超出限值的读数"],
  ["the record is not in its one form: keys sorted, no white space", "批记录不是唯一规定形式：键须排序，且不含空白"],
  ["{0}: leaf {1} is not in the tree of {2} with this root", "{0}：叶节点 {1} 不在具有该根的 {2} 个叶节点的树中"],
  ["leaf {0} is not in the tree of {1} with this root", "叶节点 {0} 不在具有该根的 {1} 个叶节点的树中"],
  ["… and {0} more", "…… 另有 {0} 项"],
  // An altered reading.
  ["{0} at {1}: the record has {2}, the bundle {3} (bundle {4} of {5}, column {6}, reading {7}; the {8} was altered)", "{0}，{1}：批记录为 {2}，数据包为 {3}（网关 {5} 的第 {4} 个数据包，第 {6} 列，第 {7} 个读数；被更改的是{8}）"],
  ["record", "批记录"],
  ["bundle", "数据包"],
  ["no such reading", "无此读数"],
  ["none", "无"],
  ["bundle {0} of {1}", "网关 {1} 的第 {0} 个数据包"],
].map(([english, chinese]) => {
  const literal = english.replaceAll(/[.*+?^$()|[\]\\]/g, "\\$&").replaceAll(/\{\d\}/g, "(.+?)");
  return { pattern: new RegExp(`^${literal}$`, "s"), chinese };
});

/** Return a text of a report in Chinese; one that is not known stays as it is. */
function inChinese(text) {
  for (const { pattern, chinese } of SAID_IN_CHINESE) {
    const found = text.length <= 1000 && pattern.exec(text);
    if (found) return chinese.replaceAll(/\{(\d)\}/g, (_, at) => inChinese(found[Number(at) + 1]));
  }
  return text;
}
