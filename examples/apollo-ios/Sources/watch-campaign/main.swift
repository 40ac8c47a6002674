import Foundation
import Reports

// REPORTS_KEY=... swift run watch-campaign ENDPOINT CAMPAIGN
let words = CommandLine.arguments
guard words.count == 3, let endpoint = URL(string: words[1]), let key = ProcessInfo.processInfo.environment["REPORTS_KEY"]
else {
  print("REPORTS_KEY=... watch-campaign ENDPOINT CAMPAIGN")
  exit(2)
}

let client = try ReportsClient(endpoint: endpoint, key: { key })
do {
  try await CampaignWatch(client, campaign: words[2]).run { page in
    let figures = page.fragments.figures
    print("\n\(figures.name), \(figures.statistics.total) messages")
    for rate in figures.statistics.indicators {
      print("  \(rate.label): \(String(format: "%.1f", (rate.rate ?? 0) * 100)) % (\(rate.count))")
    }
    for message in page.messages.nodes.map(\.fragments.row) {
      print("  \(message.recipient)  \(message.statusLabel)  \(message.statusAt)")
    }
  }
} catch {
  print(error)
  exit(1)
}
