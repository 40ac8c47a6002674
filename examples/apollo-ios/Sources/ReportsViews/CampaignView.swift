import Reports
import SwiftUI

/// The five rates, and below them the page of messages; both move.
public struct CampaignView: View {
  private let watch: CampaignWatch
  @State private var page: CampaignWatch.Page?
  @State private var failed: String?
  @Environment(\.scenePhase) private var phase

  public init(_ watch: CampaignWatch) {
    self.watch = watch
  }

  public var body: some View {
    List {
      if let failed {
        Text(failed)
      }
      if let page {
        Section(page.fragments.figures.name) {
          ForEach(page.fragments.figures.statistics.indicators, id: \.label) { rate in
            LabeledContent(rate.label, value: rate.rate ?? 0, format: .percent.precision(.fractionLength(1)))
          }
        }
        Section("Messages") {
          ForEach(page.messages.nodes.map(\.fragments.row), id: \.id) { message in
            LabeledContent(message.contactName ?? message.recipient, value: message.statusLabel)
          }
        }
      }
    }
    // iOS ends sockets of an app in the background. So it leaves by itself, and queries anew when it is back.
    .task(id: phase == .background) {
      guard phase != .background else { return }
      failed = nil
      do {
        try await watch.run { page in
          Task { @MainActor in self.page = page }
        }
      } catch is CancellationError {
      } catch {
        failed = "\(error)"
      }
    }
  }
}
